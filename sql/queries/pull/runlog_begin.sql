INSERT INTO sync_logs (run_id, task_type, mode, status, started_at)
VALUES (%(run_id)s, %(task_type)s, %(mode)s, 'running', clock_timestamp())
