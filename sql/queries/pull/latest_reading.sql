-- Where this run's order of reading begins: the database's clock, or after the newest reading if that is later.
SELECT greatest(
    clock_timestamp(),
    (
        SELECT value::timestamptz + interval '1 microsecond'
        FROM system_settings
        -- A value that was written there by hand may be no instant, and is then ignored.
        WHERE key = 'last_reading' AND value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+[+-][0-9:]+$'
    ),
    -- Nor is `infinity`, or a year that no run will live to see, a reading.
    (SELECT max(started_at) FROM sync_logs WHERE started_at < '9999-01-01')
)
