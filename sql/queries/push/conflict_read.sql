SELECT id, entity, external_id, field, base, ours, theirs, winner, created_at, resolved_at, source_table, local_id
FROM sync_conflicts
WHERE id = %(id)s
FOR UPDATE
