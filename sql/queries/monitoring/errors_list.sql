-- Every record in error, the newest first.
SELECT entity, external_id, error_message, fetched_at, attempts, rejected_at IS NOT NULL AS is_set_aside
FROM v_sync_errors
ORDER BY fetched_at DESC, external_id
