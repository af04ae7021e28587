-- Removes what Dagster holds of evaluations from before an instant, but the newest of each check, and those of runs that
-- have not ended so long ago.
DELETE FROM asset_check_executions AS a
WHERE
    a.evaluation_event_timestamp < %(before)s AT TIME ZONE 'UTC'
    AND a.id NOT IN (
        SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name
        UNION
        SELECT max(id) FROM asset_check_executions WHERE execution_status <> 'PLANNED' GROUP BY asset_key, check_name
    )
    AND NOT EXISTS (
        SELECT FROM runs AS r
        WHERE
            r.run_id = a.run_id
            AND NOT (
                r.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
                AND coalesce(to_timestamp(r.end_time), r.update_timestamp AT TIME ZONE 'UTC') < %(before)s
            )
    )
