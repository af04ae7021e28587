-- Whether nothing is staged, whether something is that is not in production, whether the guard set something aside, and
-- whether records could not be read. The first question is asked of an index: to look for any row, PostgreSQL would begin
-- to scan the table.
SELECT
    (SELECT external_id FROM {staging} ORDER BY external_id LIMIT 1) IS NULL,
    EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed'),
    EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed' AND rejected_at IS NOT NULL),
    EXISTS (SELECT FROM sync_unreadable WHERE entity = {name})
