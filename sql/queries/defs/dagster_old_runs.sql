-- Dagster's runs that ended before an instant and hold nothing that is kept: no newest event of an asset and partition,
-- no newest evaluation of a check. The oldest first.
WITH kept AS ({kept})
SELECT r.run_id
FROM runs AS r
WHERE
    r.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
    AND coalesce(to_timestamp(r.end_time), r.update_timestamp AT TIME ZONE 'UTC') < %(before)s
    AND NOT EXISTS (SELECT FROM event_logs AS e JOIN kept ON kept.id = e.id WHERE e.run_id = r.run_id)
ORDER BY r.id
