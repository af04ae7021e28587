-- Rows of a staging table: all, waiting, in error.
SELECT
    (SELECT count(*) FROM {staging}),
    (SELECT count(*) FROM {staging} WHERE sync_status <> 'processed' AND sync_status = 'pending'),
    (SELECT count(*) FROM {staging} WHERE sync_status <> 'processed' AND sync_status = 'error')
