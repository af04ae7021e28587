UPDATE sync_gazelle_logs
SET status = %(status)s, error_message = %(reason)s, response = coalesce(%(response)s, response),
    synced_at = clock_timestamp()
WHERE id = %(id)s
