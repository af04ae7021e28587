-- Records that ticks brought within the last hour, and within the same hour of each of the last 28 days of the same kind
-- (working day or weekend); days without a tick in that hour are left out. The newest comes first.
SELECT days.ago, sum(brought.count)::bigint
FROM generate_series(0, 28) AS days (ago)
INNER JOIN LATERAL (
    SELECT (
        SELECT coalesce(sum((report.value ->> 'staged')::bigint), 0)
        FROM jsonb_each(run.stats) AS report
        WHERE jsonb_typeof(report.value) = 'object'
    ) AS count
    FROM sync_logs AS run
    WHERE run.task_type = 'pull'
        AND run.mode = 'tick'
        AND run.status <> 'running'
        AND run.id <> (SELECT min(id) FROM sync_logs WHERE task_type = 'pull')
        AND run.started_at > now() - make_interval(days => days.ago, hours => 1)
        AND run.started_at <= now() - make_interval(days => days.ago)
) AS brought ON true
WHERE (extract(isodow FROM (now() - make_interval(days => days.ago)) AT TIME ZONE 'America/Toronto') >= 6)
    = (extract(isodow FROM now() AT TIME ZONE 'America/Toronto') >= 6)
GROUP BY days.ago
ORDER BY days.ago
