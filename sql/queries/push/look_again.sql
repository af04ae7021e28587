-- Gazelle's side changed: the next push looks at the row, and it follows.
UPDATE {table} AS t SET needs_sync = true WHERE {local} IN (SELECT d.local_id FROM jsonb_to_recordset(%(given)s) AS d (local_id text))
