-- The newest versions that production does not say yet, the next so many in the order of their ids; none where production
-- has no row that they could take from.
SELECT s.id::text, s.external_id, s.raw_data
FROM {staging} AS s
WHERE s.sync_status <> 'processed'
    AND s.rejected_at IS NULL
    AND s.external_id > %(after)s
    AND jsonb_typeof(s.raw_data) = 'object'
    AND EXISTS (SELECT FROM {table} WHERE deleted_at IS NULL AND NOT starts_with(external_id, 'v4_'))
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
ORDER BY s.external_id
LIMIT %(most)s
