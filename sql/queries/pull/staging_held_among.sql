-- The same of some records (see staging_held.sql). Their rows are looked up one by one: as a join, PostgreSQL reads the
-- whole table for a page of it.
SELECT DISTINCT ON (s.external_id)
    s.external_id,
    s.gazelle_updated_at,
    s.content_hash,
    -- A body has a hash; to look into it, PostgreSQL would have to unpack it.
    s.content_hash IS NOT NULL OR jsonb_typeof(s.raw_data) <> 'null' AS is_living,
    s.is_unsettled,
    s.is_unlisted,
    {start} AS start,
    s.sync_status = 'processed' AND (
        SELECT p.deleted_at IS NULL FROM {production} AS p WHERE p.external_id = s.external_id
    ) IS NOT TRUE AS is_missing
FROM {staging} AS s
WHERE s.rejected_at IS NULL AND s.external_id = ANY (%s)
ORDER BY s.external_id, s.fetched_at DESC
