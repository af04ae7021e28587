-- How the push stands: how its last run ended, and what waits in a table of edits. Hidden rows stay here and do not count.
SELECT
    last.status,
    last.started_at,
    CASE WHEN isfinite(last.started_at) THEN extract(epoch FROM clock_timestamp() - last.started_at)::float8 END AS age_s,
    last.error_message,
    edits.*
FROM (
    SELECT
        count(*),
        count(*) FILTER (WHERE t.needs_sync AND t.sync_error IS NULL),
        count(*) FILTER (WHERE t.sync_error IS NOT NULL),
        coalesce(bool_or(
            t.needs_sync AND t.sync_error IS NULL AND t.updated_at < clock_timestamp() - %(late)s::interval
        ), false)
    FROM {table} AS t
    WHERE NOT {hidden}
) AS edits
LEFT JOIN (
    SELECT status, started_at, error_message
    FROM sync_logs
    WHERE task_type = 'push'
    ORDER BY id DESC
    LIMIT 1
) AS last ON true
