-- These versions are in production.
UPDATE {staging}
SET sync_status = 'processed', processed_at = now(), attempts = attempts + 1, error_message = NULL, error_stack = NULL
WHERE id = ANY (string_to_array(%s, ',')::uuid[])
