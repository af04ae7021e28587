SELECT synced_at
FROM sync_gazelle_logs
WHERE idempotency_key = %(key)s AND status = 'success' AND undone_at IS NULL
ORDER BY id DESC
LIMIT 1
