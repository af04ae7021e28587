-- Where this run's order of reading begins: the database's clock, or after the newest reading if that lies ahead.
SELECT greatest(
    clock_timestamp(),
    (SELECT value::timestamptz + interval '1 microsecond' FROM system_settings WHERE key = 'last_reading'),
    (SELECT max(started_at) FROM sync_logs)
)
