SELECT id, entity, external_id, field, base, ours, theirs, winner, created_at
FROM sync_conflicts
WHERE resolved_at IS NULL AND (%(keys)s::text[] IS NULL OR external_id = ANY (%(keys)s::text[]))
ORDER BY id
