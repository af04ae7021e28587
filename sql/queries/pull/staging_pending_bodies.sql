-- Bodies that wait for stage 2.
SELECT raw_data
FROM {staging}
WHERE sync_status = 'pending' AND rejected_at IS NULL
