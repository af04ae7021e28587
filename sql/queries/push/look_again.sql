-- Gazelle's side changed: the next push looks at the row, and it follows.
UPDATE {table} SET needs_sync = true WHERE {key} = %(record)s
