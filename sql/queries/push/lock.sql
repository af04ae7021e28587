-- Rows of the shop's table are locked before anything is written about them: whoever edits one has its row first and its
-- state second, and what is written here rests on a revision that nobody is changing.
SELECT {local} FROM {table} AS t WHERE {local} IN (SELECT d.local_id FROM jsonb_to_recordset(%(given)s) AS d (local_id text)) ORDER BY {local} FOR UPDATE
