-- Of a table whose edits are pushed: how many rows there are to send, the ids of those that did not go, and for how many
-- minutes the oldest of the others waits; rows that were deleted here count until their records have ended. Rows that are
-- hidden, or that name no record of Gazelle's, stay in the shop.
SELECT
    count(*),
    coalesce(array_agg(e.record ORDER BY e.attempts DESC, e.record) FILTER (WHERE e.reason IS NOT NULL), '{{}}'),
    coalesce(max(
        CASE WHEN e.reason IS NULL THEN extract(epoch FROM clock_timestamp() - e.since) / 60 END
    ), 0)::float8
FROM (
    SELECT
        coalesce(s.external_id, nullif(btrim(to_jsonb(t) ->> %(record)s::text), ''), to_jsonb(t) ->> %(key)s::text),
        coalesce(s.attempts, 0),
        t.sync_error,
        coalesce(s.edited_at, t.updated_at)
    FROM {table} AS t
    LEFT JOIN push_state AS s ON s.source_table = %(table)s AND s.local_id = to_jsonb(t) ->> %(key)s::text
    WHERE (t.needs_sync OR t.sync_error IS NOT NULL)
        AND (%(creates)s OR coalesce(s.external_id, nullif(btrim(to_jsonb(t) ->> %(record)s::text), '')) IS NOT NULL)
        AND NOT starts_with(coalesce(s.external_id, btrim(to_jsonb(t) ->> %(record)s::text), ''), 'v4_')
        AND coalesce(lower(to_jsonb(t) ->> %(hidden)s::text) <> ALL (%(true)s::text[]), true)
    UNION ALL
    SELECT coalesce(d.external_id, d.local_id), d.attempts, d.last_error, d.deleted_at
    FROM push_state AS d
    WHERE d.source_table = %(table)s AND d.deleted_at IS NOT NULL
) AS e (record, attempts, reason, since)
