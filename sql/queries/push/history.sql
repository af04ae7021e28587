-- What actions that are still at Gazelle said of some records, the newest first.
SELECT id, coalesce(local_id, piano_id), piano_id, action, coalesce(field, ''), coalesce(request, '{{}}')
FROM sync_gazelle_logs
WHERE piano_id = ANY (%(records)s::text[]) AND source_table = {source} AND status = 'success' AND undone_at IS NULL
    AND left(action, 5) <> 'undo_'
ORDER BY id DESC
