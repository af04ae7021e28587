UPDATE sync_logs
SET status = %(status)s, duration_s = %(duration_s)s, stats = jsonb_set(
        %(stats)s::jsonb,
        '{measures,staging_backlog_size}',
        to_jsonb((SELECT coalesce(sum(backlog), 0)::bigint FROM v_sync_health))
    ), error_message = %(error_message)s
WHERE run_id = %(run_id)s AND status = 'running'
