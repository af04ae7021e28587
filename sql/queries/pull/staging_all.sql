-- The newest version of every record. For a tombstone, the last body comes along: its data is kept.
SELECT s.id::text, s.external_id, nullif(s.raw_data, 'null'::jsonb), s.fetched_at, body.raw_data, s.sync_status = 'processed'
FROM (
    SELECT DISTINCT ON (external_id) id, external_id, raw_data, fetched_at, sync_status
    FROM {staging}
    WHERE rejected_at IS NULL
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
