UPDATE sync_gazelle_logs
SET status = %(status)s, error_message = %(reason)s, response = coalesce(%(response)s, response),
    remote_before = coalesce(%(before)s, remote_before), synced_at = clock_timestamp()
WHERE id = %(id)s
