-- The visits of the coming seven days as the wall clock in Montreal shows them, today included.
SELECT date_montreal, time_montreal, title, client, technician, status, duration_minutes
FROM v_appointments_montreal
WHERE date_montreal >= (now() AT TIME ZONE 'America/Toronto')::date
    AND date_montreal < (now() AT TIME ZONE 'America/Toronto')::date + 7
    AND coalesce(status, '') <> 'CANCELED'
ORDER BY date_montreal, time_montreal NULLS FIRST, title, external_id
