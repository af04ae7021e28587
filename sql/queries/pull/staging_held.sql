-- The newest staged version of every record, and whether production lacks its row though it was applied (somebody emptied
-- the table). What the guard set aside does not count as held.
SELECT DISTINCT ON (s.external_id)
    s.external_id,
    s.gazelle_updated_at,
    s.content_hash,
    -- A body has a hash; to look into it, PostgreSQL would have to unpack it.
    s.content_hash IS NOT NULL OR jsonb_typeof(s.raw_data) <> 'null' AS is_living,
    s.is_unsettled,
    s.is_unlisted,
    {start} AS start,
    s.sync_status = 'processed' AND NOT EXISTS (
        SELECT FROM {production} AS p WHERE p.external_id = s.external_id AND p.deleted_at IS NULL
    ) AS is_missing
FROM {staging} AS s
WHERE s.rejected_at IS NULL
ORDER BY s.external_id, s.fetched_at DESC
