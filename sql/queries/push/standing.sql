-- What the table of edits says of some records: whether their rows are hidden, and since when Gazelle has all of it.
SELECT coalesce({record}, {local}), bool_and({hidden}), max(t.last_synced_at)
FROM {table} AS t
WHERE {record} = ANY (%(keys)s::text[]) OR {local} = ANY (%(keys)s::text[])
GROUP BY 1
