-- Actions that were taken back.
UPDATE sync_gazelle_logs
SET undone_at = clock_timestamp()
WHERE id IN (SELECT d.id FROM jsonb_to_recordset(%(given)s) AS d (id bigint))
