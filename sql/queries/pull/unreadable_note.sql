-- These records could not be read by id.
INSERT INTO sync_unreadable AS held (entity, external_id, error_message, run_id)
SELECT %(entity)s, failed.external_id, failed.message, %(run_id)s
FROM unnest(%(ids)s::text[], %(messages)s::text[]) AS failed (external_id, message)
ON CONFLICT (entity, external_id) DO UPDATE
SET error_message = EXCLUDED.error_message, last_seen_at = now(), attempts = held.attempts + 1, run_id = EXCLUDED.run_id
