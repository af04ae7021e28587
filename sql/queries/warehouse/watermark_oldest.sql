-- Set last_sync_date to the oldest watermark of all entities, once each of them has one.
-- Watermarks are ISO-8601 texts in UTC with whole seconds, so their text order is their order in time.
INSERT INTO system_settings AS held (key, value, updated_at)
SELECT 'last_sync_date', min(value), now()
FROM system_settings
WHERE key = ANY (%(keys)s)
HAVING count(*) = cardinality(%(keys)s)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at
WHERE held.value IS DISTINCT FROM EXCLUDED.value
