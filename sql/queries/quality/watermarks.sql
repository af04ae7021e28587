-- Of each entity: its watermark as it is written, minutes since it was moved, and the successful runs since then that
-- should have moved it.
SELECT
    wanted.entity,
    mark.value,
    extract(epoch FROM now() - mark.updated_at) / 60,
    (
        SELECT count(*)
        FROM sync_logs AS run
        WHERE run.task_type = 'pull'
            AND run.mode IN ('tick', 'nightly', 'deep')
            AND run.status IN ('success', 'warning')
            AND run.stats ? wanted.entity
            AND run.stats -> wanted.entity ->> 'failure' IS NULL
            AND (mark.updated_at IS NULL OR run.started_at > mark.updated_at)
    )
FROM unnest(%(entities)s::text[]) AS wanted (entity)
LEFT JOIN system_settings AS mark ON mark.key = 'last_sync_date.' || wanted.entity
