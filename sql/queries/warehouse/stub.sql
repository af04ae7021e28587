-- Insert a stub: a row for a record that another one names and that was not read itself, with what the other says of it.
-- In an existing stub, only columns that are still empty are filled.
INSERT INTO {table} AS held ({columns}, is_stub, deleted_at)
VALUES ({values}, true, %s)
ON CONFLICT (external_id) DO UPDATE SET {assignments}, synced_at = now()
WHERE held.is_stub AND ({adds_value})
