-- Local rows, with what is known of their records: as the last pull saw them (unless we pushed since), and, for columns
-- that were never sent, as they were when somebody edited the row. Instants come as text: one that no program can hold
-- (infinity, the year 20226) must not keep the others from being read.
SELECT
    (SELECT count(*) > 1 FROM {table} AS o WHERE {others_record} = {record}), {local}, {record}, t.updated_at::text, coalesce(s.edited_at, t.updated_at, clock_timestamp())::text, t.updated_by::text,
    coalesce(s.revision, 0), s.base, coalesce(s.attempts, 0), seen.known,
    CASE
        WHEN p.external_id IS NOT NULL AND coalesce(
            to_char(p.gazelle_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C"
                >= left(s.base #>> '{{remote,updated_at}}', 19),
            true
        ) THEN {pulled}
    END,
    {parent},
    {columns}
FROM {table} AS t
LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
LEFT JOIN {production} AS p ON p.external_id = {record} AND NOT p.is_stub
LEFT JOIN LATERAL (
    SELECT {seen} AS known
    FROM {staging} AS b
    WHERE b.external_id = {record} AND b.fetched_at <= coalesce(s.edited_at, t.updated_at)
        AND jsonb_typeof(b.raw_data) = 'object'
    ORDER BY b.fetched_at DESC
    LIMIT 1
) AS seen ON true
WHERE {local} = ANY (%(ids)s::text[])
