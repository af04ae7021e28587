-- Of a table whose edits are pushed: how many rows there are to send, the ids of those that did not go, and for how many
-- minutes the oldest of the others waits. Rows that are hidden, or that name no record of Gazelle's, stay in the
-- shop.
SELECT
    count(*),
    coalesce(
        array_agg(s.external_id ORDER BY s.attempts DESC, s.external_id) FILTER (WHERE t.sync_error IS NOT NULL), '{{}}'
    ),
    coalesce(max(
        CASE WHEN t.sync_error IS NULL THEN extract(epoch FROM clock_timestamp() - s.edited_at) / 60 END
    ), 0)::float8
FROM {table} AS t
JOIN push_state AS s ON s.source_table = %(table)s AND s.local_id = to_jsonb(t) ->> %(key)s::text
WHERE (t.needs_sync OR t.sync_error IS NOT NULL)
    AND s.external_id IS NOT NULL
    AND NOT starts_with(s.external_id, 'v4_')
    AND coalesce(lower(to_jsonb(t) ->> %(hidden)s::text) <> ALL (%(true)s::text[]), true)
