-- The newest staged version of some records; what the guard set aside does not count as held.
SELECT DISTINCT ON (external_id)
    external_id,
    gazelle_updated_at,
    content_hash,
    jsonb_typeof(raw_data) <> 'null' AS is_living,
    is_unsettled,
    is_unlisted,
    CASE WHEN jsonb_typeof(raw_data) = 'object' THEN raw_data ->> 'start' END AS start
FROM {staging}
WHERE rejected_at IS NULL AND external_id = ANY (%s)
ORDER BY external_id, fetched_at DESC
