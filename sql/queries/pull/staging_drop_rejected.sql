-- Gazelle says again what we hold of these records: what was set aside of them has nothing more to say.
DELETE FROM {staging}
WHERE external_id = ANY (%(ids)s) AND sync_status = 'error' AND rejected_at IS NOT NULL
