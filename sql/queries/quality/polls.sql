-- Of each entity: minutes since the newest pull that read and applied it began, by the database's clock. A killed run's row
-- has no stats, so it counts for no entity.
SELECT
    wanted.entity,
    extract(epoch FROM now() - max(run.started_at)) / 60
FROM unnest(%(entities)s::text[]) AS wanted (entity)
LEFT JOIN sync_logs AS run ON run.task_type = 'pull' AND run.mode IN ('tick', 'nightly', 'deep')
    AND run.status <> 'running' AND isfinite(run.started_at) AND run.started_at > now() - interval '30 days'
    AND run.stats -> wanted.entity ->> 'total' IS NOT NULL AND run.stats -> wanted.entity ->> 'failure' IS NULL
GROUP BY wanted.entity
