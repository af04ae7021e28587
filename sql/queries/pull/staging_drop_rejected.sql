-- Gazelle sent again what we hold of these records: delete the bodies of them that were set aside.
DELETE FROM {staging}
WHERE external_id = ANY (%(ids)s) AND sync_status = 'error' AND rejected_at IS NOT NULL
