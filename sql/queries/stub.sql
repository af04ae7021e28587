-- A record that another one names and that Gazelle has no more: its id, and what was said of it.
INSERT INTO {table} ({columns}, is_stub, deleted_at)
VALUES ({values}, true, %s)
ON CONFLICT (external_id) DO NOTHING
