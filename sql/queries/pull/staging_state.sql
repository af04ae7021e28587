-- Whether nothing is staged, whether something is that is not in production, whether the guard set something aside, and
-- whether records could not be read.
SELECT
    NOT EXISTS (SELECT FROM {staging}),
    EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed'),
    EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed' AND rejected_at IS NOT NULL),
    EXISTS (SELECT FROM sync_unreadable WHERE entity = {name})
