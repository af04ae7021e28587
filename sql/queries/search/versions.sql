-- The versions of a record that staging holds, the oldest first.
SELECT nullif(raw_data, 'null'::jsonb), fetched_at, gazelle_updated_at, sync_status, rejected_at IS NOT NULL, run_id
FROM {staging}
WHERE external_id = %(id)s
ORDER BY fetched_at
