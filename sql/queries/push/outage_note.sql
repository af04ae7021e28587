-- Until when pushes that begin by themselves hold back: ISO-8601, UTC, by the database's clock.
INSERT INTO system_settings (key, value, updated_at)
VALUES (
    %(key)s,
    to_char((clock_timestamp() + make_interval(secs => %(wait_s)s)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    now()
)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
