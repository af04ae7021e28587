-- Begin the row of a run; gives whether an earlier run was killed. We hold the lock, so no other pull is running, and a
-- row that still says running was left by a process that was killed.
WITH killed AS (
    UPDATE sync_logs
    SET status = 'error', error_message = 'The process was killed, or the machine went down. '
        'What it had committed is kept; the next run does the rest.', stats = stats || '{"cause": "stopped"}'
    WHERE status = 'running' AND task_type IN ('pull', 'replay')
    RETURNING id
),
begun AS (
    INSERT INTO sync_logs (run_id, task_type, mode, status, started_at)
    VALUES (%(run_id)s, %(task_type)s, %(mode)s, 'running', clock_timestamp())
)
SELECT EXISTS (SELECT FROM killed)
