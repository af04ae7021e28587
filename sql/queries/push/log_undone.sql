UPDATE sync_gazelle_logs SET undone_at = clock_timestamp() WHERE id = ANY (%(ids)s::bigint[])
