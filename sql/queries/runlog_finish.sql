UPDATE sync_logs
SET status = %(status)s, duration_s = %(duration_s)s, stats = %(stats)s, error_message = %(error_message)s
WHERE run_id = %(run_id)s AND status = 'running'
