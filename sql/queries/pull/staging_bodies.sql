-- The newest body of every record, with the hash that was taken of it.
SELECT DISTINCT ON (external_id) id::text, raw_data, content_hash
FROM {staging}
WHERE rejected_at IS NULL
ORDER BY external_id, fetched_at DESC
