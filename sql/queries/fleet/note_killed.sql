-- Write down why a pull was ended from outside. It failed for all entities, whatever it had come to when it was ended.
UPDATE sync_logs
SET status = 'error', error_message = %(message)s,
    duration_s = coalesce(duration_s, extract(epoch FROM clock_timestamp() - started_at)),
    stats = jsonb_build_object('cause', %(cause)s::text, 'cause_number', %(number)s::int)
WHERE run_id = %(run_id)s AND task_type = 'pull' AND status IN ('running', 'error')
