-- The newest run that has ended, then the newest that says it is running.
SELECT task_type, mode, status, started_at, duration_s, error_message
FROM (
    (SELECT * FROM sync_logs WHERE status <> 'running' AND task_type IN ('pull', 'replay') ORDER BY id DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM sync_logs WHERE status = 'running' AND task_type IN ('pull', 'replay') ORDER BY id DESC LIMIT 1)
) AS newest
ORDER BY id
