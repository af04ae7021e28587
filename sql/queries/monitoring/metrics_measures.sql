-- Sums over all runs, by entity: runs, seconds and records of staging, seconds, records and errors of applying.
SELECT
    measured.entity,
    count(*),
    sum((measured.report ->> 'seconds_stage')::float8),
    sum((measured.report ->> 'fetched')::bigint),
    sum((measured.report ->> 'seconds_apply')::float8),
    sum((measured.report ->> 'processed')::bigint),
    sum((measured.report ->> 'errors')::bigint)
FROM sync_logs
CROSS JOIN LATERAL jsonb_each(stats) AS measured (entity, report)
WHERE jsonb_typeof(measured.report) = 'object' AND measured.report ? 'seconds_stage'
GROUP BY measured.entity
