-- What the table of edits says of some records: whether their rows are hidden, and since when Gazelle has all of it; and
-- those of rows that were deleted here.
SELECT coalesce({record}, {local}), bool_and({hidden}), max(t.last_synced_at)
FROM {table} AS t
WHERE {record} = ANY (%(keys)s::text[]) OR {local} = ANY (%(keys)s::text[])
GROUP BY 1
UNION ALL
SELECT coalesce(s.external_id, s.local_id), false, NULL
FROM push_state AS s
WHERE s.source_table = {source} AND s.deleted_at IS NOT NULL
    AND (s.external_id = ANY (%(keys)s::text[]) OR s.local_id = ANY (%(keys)s::text[]))
