-- The runs that may have asked Gazelle how much it has, newest first.
SELECT started_at, stats
FROM sync_logs
WHERE task_type = 'pull' AND status <> 'running'
ORDER BY id DESC
LIMIT 100
