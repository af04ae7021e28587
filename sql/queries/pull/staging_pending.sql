-- Versions that wait for stage 2 (or that it could not apply so far), in the order of the disk. For a tombstone, the last
-- body comes along: its data is kept.
SELECT s.id::text, s.external_id, nullif(s.raw_data, 'null'::jsonb), s.fetched_at, body.raw_data, false
FROM {staging} AS s
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
WHERE s.sync_status IN ({statuses}) AND s.rejected_at IS NULL
