-- One run's row.
SELECT mode, status, duration_s, stats, error_message
FROM sync_logs
WHERE run_id = %s
ORDER BY id DESC
LIMIT 1
