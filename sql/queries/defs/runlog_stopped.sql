-- Somebody stopped the command that ran this: no alert has to tell them.
UPDATE sync_logs SET stats = stats || '{"stopped_by_hand": true}'
WHERE run_id = %(run_id)s
