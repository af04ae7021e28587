-- last_sync_date is the oldest of the entities' own watermarks, once every one of them has been pulled.
-- They are written in one fixed form (ISO-8601, UTC, whole seconds), so the text order is the order in time.
INSERT INTO system_settings AS held (key, value, updated_at)
SELECT 'last_sync_date', min(value), now()
FROM system_settings
WHERE key = ANY (%(keys)s)
HAVING count(*) = cardinality(%(keys)s)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at
WHERE held.value IS DISTINCT FROM EXCLUDED.value
