UPDATE sync_gazelle_logs
SET error_message = %(reason)s, synced_at = clock_timestamp(),
    doubt_until = clock_timestamp() + make_interval(secs => %(grace_s)s)
WHERE id = %(id)s
RETURNING doubt_until
