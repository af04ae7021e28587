-- Rows of a staging table that wait, and those in error.
SELECT
    count(*) FILTER (WHERE sync_status = 'pending'),
    count(*) FILTER (WHERE sync_status = 'error')
FROM {staging}
WHERE sync_status <> 'processed'
