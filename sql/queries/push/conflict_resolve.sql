UPDATE sync_conflicts
SET resolved_at = clock_timestamp(), taken = %(taken)s
WHERE id = %(id)s
