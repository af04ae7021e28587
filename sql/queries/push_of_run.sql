-- What a run changed at Gazelle and nobody took back, the last first.
SELECT id, piano_id, action, field, request, response, remote_before
FROM sync_gazelle_logs
WHERE run_id = %(run_id)s AND entity = %(entity)s AND status = 'success' AND undone_at IS NULL
    AND action NOT LIKE E'undo\\_%%'
ORDER BY id DESC
