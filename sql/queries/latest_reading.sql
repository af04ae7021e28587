-- Where this run's order of reading begins: the database's clock, or after the newest reading if that lies ahead.
SELECT greatest(clock_timestamp(), max(newest) + interval '1 microsecond')
FROM (
    SELECT max(started_at) AS newest FROM sync_logs
    UNION ALL
    SELECT max(updated_at) FROM system_settings
) AS instants
