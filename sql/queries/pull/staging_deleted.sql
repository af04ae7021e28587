-- Records whose newest staged version is a tombstone.
SELECT external_id
FROM (
    SELECT DISTINCT ON (external_id) external_id, jsonb_typeof(raw_data) AS kind
    FROM {staging}
    WHERE rejected_at IS NULL
    ORDER BY external_id, fetched_at DESC
) AS newest
WHERE kind = 'null'
