-- Local rows, with what is known of their records: as the last pull saw them (unless we pushed since), and, for columns
-- that were never sent, as they were when somebody edited the row. Instants come as text: one that no program can hold
-- (infinity, the year 20226) must not keep the others from being read. Where rows are changes, what those before
-- it wrote is known to the next, and nothing else of what they met at Gazelle: whoever wrote it had not seen that.
SELECT
    NOT {are_changes} AND (SELECT count(*) > 1 FROM {table} AS o WHERE {others_record} = {record}), {local}, {record}, t.updated_at::text, coalesce(s.edited_at, t.updated_at, clock_timestamp())::text, t.updated_by::text,
    coalesce(s.revision, 0),
    CASE WHEN last.base IS NULL THEN s.base ELSE coalesce(s.base, '{{}}') || jsonb_build_object('written', last.base -> 'written') END,
    coalesce(s.attempts, 0),
    seen.known || jsonb_build_object('updated_at', seen.stamp),
    CASE
        WHEN p.external_id IS NOT NULL AND coalesce(
            to_char(p.gazelle_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') COLLATE "C"
                >= left(s.base #>> '{{remote,updated_at}}', 19),
            true
        ) THEN {last_pull}
    END,
    {parent},
    {columns}
FROM {table} AS t
LEFT JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
LEFT JOIN {production} AS p ON p.external_id = {record} AND NOT p.is_stub
LEFT JOIN LATERAL (
    SELECT o.base
    FROM push_state AS o
    WHERE {are_changes} AND o.source_table = {source} AND o.external_id = {record}
        AND o.base #>> '{{remote,updated_at}}' IS NOT NULL
    ORDER BY lpad(coalesce(o.base #>> '{{generations,written}}', ''), 20, '0') COLLATE "C" DESC -- the one that went last
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT {edit_snapshot} AS known, b.raw_data ->> 'updatedAt' AS stamp
    FROM {staging} AS b
    WHERE b.external_id = {record} AND b.fetched_at <= coalesce(s.edited_at, t.updated_at)
        AND jsonb_typeof(b.raw_data) = 'object'
    ORDER BY b.fetched_at DESC
    LIMIT 1
) AS seen ON true
WHERE {local} = ANY (%(ids)s::text[])
