-- Whether a table holds no living record.
SELECT NOT EXISTS (SELECT FROM {table} WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_'))
