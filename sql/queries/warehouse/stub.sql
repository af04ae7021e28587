-- A record that another one names and that Gazelle has no more: its id, and what was said of it. A stub that is there
-- already learns what it did not know, and forgets nothing.
INSERT INTO {table} AS held ({columns}, is_stub, deleted_at)
VALUES ({values}, true, %s)
ON CONFLICT (external_id) DO UPDATE SET {assignments}, synced_at = now()
WHERE held.is_stub AND ({learns})
