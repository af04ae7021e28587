-- Rows (by their keys) under whose records others were made, which are still there.
SELECT DISTINCT {parent_key}
FROM {table} AS t
INNER JOIN push_state AS s ON s.source_table = {source} AND s.local_id = {local}
WHERE s.external_id IS NOT NULL AND {parent_key} = ANY (%(parents)s::text[])
