-- Local rows, with what is known of their records: as the last pull saw them (unless we pushed since), and, for a row
-- that was never sent, as they were when somebody edited it. Instants come as text: one that no program can hold
-- (infinity, the year 20226) must not keep the others from being read.
SELECT
    {t_key}, t.updated_at::text, coalesce(t.edited_at, t.updated_at, clock_timestamp())::text, t.updated_by::text, t.revision, t.base, t.sync_attempts,
    seen.raw_data IS NOT NULL, seen.raw_data -> 'tags', seen.raw_data ->> 'notes',
    p.external_id IS NOT NULL AND coalesce(
        to_char(p.gazelle_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C"
            >= left(t.base #>> '{{remote,updated_at}}', 19),
        true
    ),
    p.gazelle_tags, p.notes,
    {columns}
FROM {table} AS t
LEFT JOIN {production} AS p ON p.external_id = {t_key} AND NOT p.is_stub
LEFT JOIN LATERAL (
    SELECT s.raw_data
    FROM {staging} AS s
    WHERE t.base IS NULL AND s.external_id = {t_key} AND s.fetched_at <= coalesce(t.edited_at, t.updated_at)
        AND jsonb_typeof(s.raw_data) = 'object'
    ORDER BY s.fetched_at DESC
    LIMIT 1
) AS seen ON true
WHERE {t_key} = ANY (%(keys)s::text[])
