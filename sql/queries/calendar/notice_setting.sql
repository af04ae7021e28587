-- Since when notices are made, and which daily list was made last.
INSERT INTO system_settings (key, value, updated_at)
SELECT key, value, now() FROM unnest(%(keys)s::text[], %(values)s::text[]) AS said (key, value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
