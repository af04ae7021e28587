-- Notices of the last three days: all, those that should have been sent by now, and those that may not have arrived.
SELECT
    count(*),
    coalesce(
        array_agg(kind || ' ' || appointment_external_id ORDER BY id) FILTER (
            WHERE status = 'due'
                AND created_at < now() - interval '20 minutes' -- one that is refused is due later each time
                AND (now() AT TIME ZONE 'America/Toronto')::time BETWEEN '07:30' AND '21:00'
        ),
        '{{}}'
    ),
    coalesce(array_agg(kind || ' ' || appointment_external_id ORDER BY id) FILTER (WHERE status = 'failed'), '{{}}')
FROM notices
WHERE created_at > now() - interval '3 days'
