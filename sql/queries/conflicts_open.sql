SELECT id, entity, external_id, field, base, ours, theirs, winner, created_at
FROM sync_conflicts
WHERE resolved_at IS NULL
ORDER BY id
