-- Note that a person stopped this run, so that no alert is sent for it.
UPDATE sync_logs SET stats = stats || '{"stopped_by_hand": true}'
WHERE run_id = %(run_id)s
