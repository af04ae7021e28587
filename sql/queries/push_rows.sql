-- Local rows, with what is known of their records: as the last pull saw them (unless we pushed since), and, for a row
-- that was never sent, as they were when somebody edited it.
SELECT
    t.{key}, t.updated_at, t.updated_by, t.revision, t.base, t.sync_attempts,
    seen.raw_data IS NOT NULL, seen.raw_data -> 'tags', seen.raw_data ->> 'notes',
    p.external_id IS NOT NULL AND coalesce(p.gazelle_updated_at >= (t.base #>> '{{remote,updated_at}}')::timestamptz, true),
    p.gazelle_tags, p.notes,
    {columns}
FROM {table} AS t
LEFT JOIN {production} AS p ON p.external_id = t.{key} AND NOT p.is_stub
LEFT JOIN LATERAL (
    SELECT s.raw_data
    FROM {staging} AS s
    WHERE t.base IS NULL AND s.external_id = t.{key} AND s.fetched_at <= t.updated_at
        AND jsonb_typeof(s.raw_data) = 'object'
    ORDER BY s.fetched_at DESC
    LIMIT 1
) AS seen ON true
WHERE t.{key} = ANY (%(keys)s::text[])
