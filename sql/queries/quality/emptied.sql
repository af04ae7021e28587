-- Rows whose merged column is empty though Gazelle said something of it: of those of which it said something.
SELECT
    count(*) FILTER (WHERE coalesce(cardinality(held.{merged}), 0) = 0),
    count(*),
    (array_agg(held.external_id ORDER BY held.external_id) FILTER (WHERE coalesce(cardinality(held.{merged}), 0) = 0))[1:10]
FROM {table} AS held
LEFT JOIN (
    SELECT DISTINCT ON (external_id) external_id, raw_data -> %(field)s AS said
    FROM {staging}
    WHERE %(staged)s AND rejected_at IS NULL AND jsonb_typeof(raw_data) = 'object' AND sync_status = 'processed'
    ORDER BY external_id, fetched_at DESC
) AS s USING (external_id)
WHERE held.deleted_at IS NULL
    AND (
        cardinality(held.{base}) > 0
        OR (jsonb_typeof(s.said) = 'array' AND s.said <> '[]'::jsonb)
    )
