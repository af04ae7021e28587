-- The same records of some of these parts, one by one.
SELECT held.external_id, held.gazelle_updated_at
FROM {table} AS held
WHERE held.deleted_at IS NULL
    AND NOT held.is_stub
    AND NOT starts_with(held.external_id, 'v4_')
    AND NOT held.external_id = ANY (%(unlisted)s)
    AND left(encode(sha256(convert_to(held.external_id, 'UTF8')), 'hex'), 2) = ANY (%(parts)s)
