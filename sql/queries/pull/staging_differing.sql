-- Of some bodies that Gazelle sent again, those that are not the newest version that is staged of their record, and those
-- that are not applied: the record, and whether something changed what is staged.
SELECT said.external_id, newest.raw_data IS DISTINCT FROM said.raw_data
FROM ROWS FROM (unnest(%(ids)s::text[]), jsonb_array_elements(%(bodies)s::jsonb)) AS said (external_id, raw_data)
LEFT JOIN LATERAL (
    SELECT s.raw_data, s.sync_status
    FROM {staging} AS s
    WHERE s.external_id = said.external_id AND s.rejected_at IS NULL
    ORDER BY s.fetched_at DESC
    LIMIT 1
) AS newest ON true
WHERE newest.raw_data IS DISTINCT FROM said.raw_data OR newest.sync_status <> 'processed'
