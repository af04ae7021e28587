-- The last body (not tombstone) of some records, and when it was read.
SELECT DISTINCT ON (external_id) external_id, raw_data, fetched_at
FROM {staging}
WHERE rejected_at IS NULL AND jsonb_typeof(raw_data) <> 'null' AND external_id = ANY (%s)
ORDER BY external_id, fetched_at DESC
