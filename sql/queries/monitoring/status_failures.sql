-- Why each entity failed in the newest run that had to do with it, null where it did not. A run that failed before it
-- came to any entity failed for all of them.
SELECT DISTINCT ON (wanted.entity)
    wanted.entity,
    CASE WHEN run.stats ? wanted.entity THEN run.stats -> wanted.entity ->> 'failure' ELSE run.error_message END AS failure
FROM unnest(%(entities)s::text[]) AS wanted (entity)
INNER JOIN (
    SELECT id, status, stats, error_message
    FROM sync_logs
    WHERE status <> 'running' AND task_type IN ('pull', 'replay')
    ORDER BY id DESC
    LIMIT %(runs)s
) AS run ON run.stats ? wanted.entity OR (run.status = 'error' AND NOT run.stats ?| %(entities)s::text[])
ORDER BY wanted.entity, run.id DESC
