-- Events of Dagster's that are kept however old: of each asset and partition the newest of every kind (of attempts only
-- one that came to nothing since the last success), and the newest evaluation of each check.
SELECT max(id) AS id
FROM event_logs
WHERE
    asset_key IS NOT NULL
    AND dagster_event_type NOT IN ('ASSET_MATERIALIZATION_PLANNED', 'ASSET_CHECK_EVALUATION_PLANNED')
GROUP BY asset_key, partition, dagster_event_type
UNION
SELECT max(id)
FROM event_logs
WHERE asset_key IS NOT NULL AND dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED')
GROUP BY asset_key, partition
UNION
SELECT evaluation_event_storage_id
FROM asset_check_executions
WHERE
    evaluation_event_storage_id IS NOT NULL
    AND id IN (
        SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name
        UNION
        SELECT max(id) FROM asset_check_executions WHERE execution_status <> 'PLANNED' GROUP BY asset_key, check_name
    )
