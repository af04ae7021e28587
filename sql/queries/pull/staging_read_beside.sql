-- The newest bodies of records that came in the same runs as these versions, or that an earlier run did not read as they
-- are; the next so many in the order of their ids. Those that lose something themselves are left out.
SELECT s.external_id, s.raw_data
FROM {staging} AS s
WHERE (
    s.run_id IN (SELECT losing.run_id FROM {staging} AS losing WHERE losing.id = ANY (%(ids)s::uuid[]))
    OR s.external_id IN (SELECT u.external_id FROM sync_unreadable AS u WHERE u.entity = {name})
)
    AND s.external_id <> ALL (%(losing)s::text[])
    AND s.external_id > %(after)s
    AND s.rejected_at IS NULL
    AND jsonb_typeof(s.raw_data) = 'object'
    AND NOT EXISTS (
        SELECT FROM {staging} AS newer
        WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at AND newer.rejected_at IS NULL
    )
ORDER BY s.external_id
LIMIT %(most)s
