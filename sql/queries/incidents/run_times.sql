-- The newest run of each mode within a week, and the median of the successful ones before it (null: fewer than five).
SELECT newest.mode, newest.run_id, newest.status, newest.started_at, newest.duration_s, usual.median_s
FROM (
    SELECT DISTINCT ON (mode) id, mode, run_id, status, started_at, duration_s
    FROM sync_logs
    WHERE started_at > now() - interval '7 days' AND task_type IN ('pull', 'replay') AND mode IS NOT NULL
    ORDER BY mode, id DESC
) AS newest
LEFT JOIN LATERAL (
    SELECT CASE WHEN count(*) >= 5 THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_s) END AS median_s
    FROM (
        SELECT duration_s
        FROM sync_logs
        WHERE sync_logs.mode = newest.mode
            AND sync_logs.id < newest.id
            AND sync_logs.status IN ('success', 'warning')
            AND sync_logs.duration_s IS NOT NULL
        ORDER BY id DESC
        LIMIT %(history)s
    ) AS before
) AS usual ON true
