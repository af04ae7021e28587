SELECT id, entity, external_id, field, base, ours, theirs, winner, created_at, resolved_at
FROM sync_conflicts
WHERE id = %(id)s
FOR UPDATE
