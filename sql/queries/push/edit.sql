-- The side that a person took becomes an edit of the row, which the next push sends. Of several changes of one record it is
-- the one that met the conflict.
UPDATE {table} AS t SET {column} = %(value)s
WHERE {record} = %(record)s AND (NOT {are_changes} OR {local} = %(local_id)s)
