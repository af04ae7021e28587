-- Gazelle's side changed: the next push looks at the row, and it follows.
UPDATE {table} AS t SET needs_sync = true WHERE {local} IN (SELECT jsonb_array_elements_text(%(given)s))
