-- Insert new rows and update changed ones; equal ones are not written. The rows are JSON objects: PostgreSQL gives each
-- value the type of its column. Merged columns keep the changes of both sides (gazelle_merge_tags).
INSERT INTO {table} AS held ({columns}, synced_at, is_stub)
SELECT {columns}, now(), false
FROM json_populate_recordset(NULL::{table}, %(rows)s::json)
ON CONFLICT (external_id) DO UPDATE
SET {assignments}, synced_at = EXCLUDED.synced_at, is_stub = false
WHERE ({held}, held.is_stub) IS DISTINCT FROM ({incoming}, false)
