-- Records whose newest version could not be applied, and whether that happened within the last hour.
SELECT entity, external_id, coalesce(error_message, ''), fetched_at > now() - interval '1 hour'
FROM v_sync_errors
ORDER BY fetched_at DESC
