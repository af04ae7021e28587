-- Records that were absent from their list when they were last looked for, and answered by id: cancelled visits.
SELECT s.external_id
FROM {staging} AS s
INNER JOIN {table} AS held ON held.external_id = s.external_id AND held.deleted_at IS NULL AND NOT held.is_stub
WHERE s.is_unlisted
    AND s.rejected_at IS NULL
    AND jsonb_typeof(s.raw_data) <> 'null'
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
