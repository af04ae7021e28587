-- Appointments whose instants are not, letter by letter, what Gazelle said last. What is written another way and what is
-- off look the same here: whoever asks compares instants. A version that is not applied yet says nothing of the row.
SELECT a.external_id, a.start_at, a.appointment_date + a.appointment_time, s.start, s.sync_status
FROM gazelle_appointments AS a
LEFT JOIN (
    SELECT DISTINCT ON (external_id) external_id, raw_data ->> 'start' AS start, sync_status
    FROM staging_appointments
    WHERE rejected_at IS NULL AND jsonb_typeof(raw_data) = 'object'
    ORDER BY external_id, fetched_at DESC
) AS s USING (external_id)
WHERE NOT a.is_stub
    AND NOT starts_with(a.external_id, 'v4_')
    AND (
        s.start IS DISTINCT FROM to_char(a.start_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        OR a.start_at IS DISTINCT FROM (a.appointment_date + a.appointment_time) AT TIME ZONE 'UTC'
    )
