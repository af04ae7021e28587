UPDATE import_runs
SET status = %(status)s, ended_at = clock_timestamp(), updated_at = clock_timestamp(), totals = %(totals)s,
    report = %(report)s, error_message = %(error_message)s
WHERE id = %(id)s
