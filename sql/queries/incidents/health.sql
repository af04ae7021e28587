-- Age and errors of each entity. A watermark is an instant of Gazelle's clock, which may be another: how long ago it was
-- moved is asked of one clock.
SELECT
    health.entity,
    CASE WHEN health.last_sync_at IS NOT NULL AND isfinite(mark.updated_at) THEN extract(epoch FROM now() - mark.updated_at)::float8 END AS age_s,
    (SELECT count(*) FROM v_sync_errors AS failed WHERE failed.entity = health.entity) AS errors,
    health.errors_last_hour
FROM v_sync_health AS health
LEFT JOIN system_settings AS mark ON mark.key = 'last_sync_date.' || health.entity
