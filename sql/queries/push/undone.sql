-- Actions that were taken back.
UPDATE sync_gazelle_logs
SET undone_at = clock_timestamp()
WHERE id IN (SELECT jsonb_array_elements_text(%(given)s)::bigint)
