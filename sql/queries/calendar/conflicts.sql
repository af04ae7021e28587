-- Events that overlap another one of their technician, with it, the earlier first. Which ones do is found in one pass in
-- the order of time; with whom, by the index on ranges.
WITH events AS MATERIALIZED (
    SELECT external_id COLLATE "C" AS external_id, technician_external_id COLLATE "C" AS technician, busy
    FROM v_calendar_busy
    WHERE busy && tsrange(%(since)s::timestamp, %(until)s::timestamp)
),
ordered AS (
    SELECT
        external_id,
        technician,
        busy,
        max(upper(busy)) OVER (
            PARTITION BY technician
            ORDER BY lower(busy), external_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS taken_until
    FROM events
)
SELECT
    late.technician,
    early.external_id,
    late.external_id,
    lower(early.busy * late.busy) AT TIME ZONE 'UTC',
    upper(early.busy * late.busy) AT TIME ZONE 'UTC'
FROM ordered AS late
CROSS JOIN LATERAL (
    SELECT b.external_id, b.technician_external_id, b.busy
    FROM v_calendar_busy AS b
    WHERE b.busy && late.busy
    OFFSET 0 -- by the index, however many pairs the planner expects
) AS early
WHERE late.taken_until > lower(late.busy)
    AND early.technician_external_id = late.technician
    AND (lower(early.busy), early.external_id COLLATE "C") < (lower(late.busy), late.external_id)
ORDER BY 4, 1, 2, 3
