-- When each entity was last in step, what waits, what failed. An error that a newer version replaced is not counted.
SELECT
    health.entity,
    health.last_sync_at,
    extract(epoch FROM health.age)::float8 AS age_s,
    health.backlog,
    (SELECT count(*) FROM v_sync_errors AS failed WHERE failed.entity = health.entity) AS errors
FROM v_sync_health AS health
