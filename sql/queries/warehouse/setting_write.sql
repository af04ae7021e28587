-- Set one row of system_settings. An unchanged value is not written.
INSERT INTO system_settings AS held (key, value, updated_at)
VALUES (%(key)s, %(value)s, now())
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at
WHERE held.value IS DISTINCT FROM EXCLUDED.value
