-- Take the next free slot of the request budget: one row, one clock (the database's), whoever asks.
-- Answers the seconds to wait until the slot. A slot in the far future (a clock that was set back) is not believed.
INSERT INTO system_settings AS held (key, value, updated_at)
VALUES ('api_next_request_at', clock_timestamp()::text, clock_timestamp())
ON CONFLICT (key) DO UPDATE
SET value = (
        CASE
            WHEN held.value::timestamptz < clock_timestamp() + interval '1 minute'
            THEN greatest(held.value::timestamptz + make_interval(secs => %(spacing_s)s), clock_timestamp())
            ELSE clock_timestamp()
        END
    )::text,
    updated_at = clock_timestamp()
RETURNING extract(epoch FROM value::timestamptz - clock_timestamp())
