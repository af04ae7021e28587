-- The lock is ours, so no other pull is alive: a row that still says running was left by a process that died.
UPDATE sync_logs
SET status = 'error', error_message = 'The process ended without a word (killed, or the machine went down). '
    'What it had committed is kept; the next run takes up the rest.', stats = stats || '{"cause": "stopped"}'
WHERE status = 'running' AND task_type IN ('pull', 'replay')
