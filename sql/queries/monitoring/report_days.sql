-- Of each Montreal day within the window: versions stored, records in error in the runs, the longest and the median tick,
-- the largest backlog that a run left.
SELECT
    (run.started_at AT TIME ZONE 'America/Toronto')::date AS day,
    coalesce(sum(entities.staged), 0)::bigint AS staged,
    coalesce(max(entities.errors), 0)::bigint AS errors,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY run.duration_s) FILTER (WHERE run.mode = 'tick') AS tick_median_s,
    max(run.duration_s) AS longest_s,
    max((run.stats -> 'measures' ->> 'staging_backlog_size')::bigint) AS backlog,
    count(*) FILTER (WHERE run.status = 'error') AS failed_runs,
    count(*) AS runs
FROM sync_logs AS run
LEFT JOIN LATERAL (
    SELECT sum((report ->> 'staged')::bigint) AS staged, sum((report ->> 'errors')::bigint) AS errors
    FROM jsonb_each(run.stats) AS each (entity, report)
    WHERE jsonb_typeof(report) = 'object' AND report ? 'staged'
) AS entities ON true
WHERE isfinite(run.started_at) AND run.started_at > now() - %(days)s * interval '1 day' AND run.status <> 'running'
GROUP BY day
ORDER BY day
