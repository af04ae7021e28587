-- The records that we hold, in production or waiting in staging.
SELECT external_id FROM {table} WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
UNION
SELECT external_id FROM {staging} WHERE sync_status <> 'processed' AND jsonb_typeof(raw_data) <> 'null'
