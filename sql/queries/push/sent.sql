-- When the same edit was sent. A row that knows nothing of the fact yet may be one that was removed and came back: for
-- it any edit that said the same counts, however often the row of old had changed its mind before.
SELECT synced_at
FROM sync_gazelle_logs
WHERE status = 'success' AND undone_at IS NULL
    AND (
        idempotency_key = %(key)s
        OR (
            %(is_first)s AND entity = %(entity)s AND piano_id = %(record)s AND action = %(action)s
            AND request -> 'settles' = %(settles)s
        )
    )
ORDER BY id DESC
LIMIT 1
