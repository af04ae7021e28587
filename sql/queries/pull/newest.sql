-- The newest version that counts of records, with whether it is applied and, for a tombstone, the last body.
SELECT s.external_id, nullif(s.raw_data, 'null'::jsonb), body.raw_data, s.sync_status, s.fetched_at, s.content_hash
FROM (
    SELECT DISTINCT ON (external_id) external_id, raw_data, sync_status, fetched_at, content_hash
    FROM {staging}
    WHERE rejected_at IS NULL AND {which}
    ORDER BY external_id, fetched_at DESC
) AS s
LEFT JOIN LATERAL (
    SELECT older.raw_data
    FROM {staging} AS older
    WHERE older.external_id = s.external_id
        AND older.rejected_at IS NULL
        AND jsonb_typeof(older.raw_data) <> 'null'
        AND jsonb_typeof(s.raw_data) = 'null'
    ORDER BY older.fetched_at DESC
    LIMIT 1
) AS body ON true
