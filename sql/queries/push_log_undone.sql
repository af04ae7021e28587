UPDATE sync_gazelle_logs SET undone_at = clock_timestamp() WHERE id = %(id)s
