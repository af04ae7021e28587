INSERT INTO sync_logs (run_id, task_type, mode, status, started_at, duration_s, stats, error_message)
VALUES (
    %(run_id)s, 'push', %(mode)s, %(status)s, clock_timestamp() - make_interval(secs => %(duration_s)s),
    %(duration_s)s, %(stats)s, %(error_message)s
)
