-- These versions cannot be applied, and why.
UPDATE {staging} AS s
SET sync_status = 'error', processed_at = now(), attempts = s.attempts + 1,
    error_message = bad.message, error_stack = bad.stack
FROM unnest(%(ids)s::uuid[], %(messages)s::text[], %(stacks)s::text[]) AS bad (id, message, stack)
WHERE s.id = bad.id
    AND (s.sync_status, s.error_message) IS DISTINCT FROM ('error', bad.message)
