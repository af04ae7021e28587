-- The newest versions of one record in one staging table.
SELECT raw_data, fetched_at, sync_status, error_message, error_stack
FROM {staging}
WHERE external_id = %s
ORDER BY fetched_at DESC
LIMIT 1
