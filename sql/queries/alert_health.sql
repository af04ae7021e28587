-- Age and errors of each entity.
SELECT
    health.entity,
    health.age,
    (SELECT count(*) FROM v_sync_errors AS failed WHERE failed.entity = health.entity) AS errors,
    health.errors_last_hour
FROM v_sync_health AS health
