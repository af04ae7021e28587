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
        count(*) FILTER (WHERE each.waits AND each.reason IS NULL),
        count(*) FILTER (WHERE each.reason IS NOT NULL),
        coalesce(bool_or(
            each.waits AND each.reason IS NULL AND each.since < clock_timestamp() - %(late)s::interval
        ), false)
    FROM (
        SELECT t.needs_sync AS waits, t.sync_error AS reason, t.updated_at AS since
        FROM {table} AS t
        WHERE NOT {hidden}
        UNION ALL
        SELECT true, d.last_error, d.deleted_at
        FROM push_state AS d
        WHERE d.source_table = {source} AND d.deleted_at IS NOT NULL
    ) AS each
) AS edits
LEFT JOIN (
    SELECT status, started_at, error_message
    FROM sync_logs
    WHERE task_type = 'push'
    ORDER BY id DESC
    LIMIT 1
) AS last ON true
