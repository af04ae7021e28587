-- Removes Dagster's events from before an instant, but what is kept and what belongs to a run that has not ended so long
-- ago. An event whose run is gone is old enough.
WITH kept AS ({kept})
DELETE FROM event_logs AS e
WHERE
    e.timestamp < %(before)s AT TIME ZONE 'UTC'
    AND NOT EXISTS (SELECT FROM kept WHERE kept.id = e.id)
    AND NOT EXISTS (
        SELECT FROM runs AS r
        WHERE
            r.run_id = e.run_id
            AND NOT (
                r.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
                AND coalesce(to_timestamp(r.end_time), r.update_timestamp AT TIME ZONE 'UTC') < %(before)s
            )
    )
