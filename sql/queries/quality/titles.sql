-- Titles that name a figure (an announced hour) or a reference appointment, and the time that is shown.
SELECT external_id, title, starts_at_montreal, time_montreal
FROM v_appointments_montreal
WHERE time_montreal IS NOT NULL
    AND NOT starts_with(external_id, 'v4_')
    AND title ~* E'\\d\\s*(h|:|[ap]\\.?m)|tire\\s+le\\s+coyote'
