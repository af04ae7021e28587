-- A row takes over Gazelle's values, if nobody edited it meanwhile.
UPDATE {table} AS t
SET {assignments}
FROM push_state AS s
WHERE {local} = %(id)s AND s.source_table = {source} AND s.local_id = %(id)s AND s.revision = %(revision)s
RETURNING {local}
