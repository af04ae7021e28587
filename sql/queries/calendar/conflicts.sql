-- Events that overlap another one of their technician, with it, the earlier first. Which ones do is found in one pass in
-- the order of time, without arithmetic on ranges; with whom, by the index on them. Technicians are told apart by a number,
-- which sorts faster than their ids: should two have the same, an event too many is looked at. Begin and end are those of
-- `busy` in v_calendar_busy.
WITH events AS (
    SELECT
        a.external_id COLLATE "C" AS external_id,
        a.technician_external_id COLLATE "C" AS technician,
        CASE
            WHEN a.is_all_day IS TRUE
                THEN date_trunc('day', a.start_at AT TIME ZONE 'America/Toronto') AT TIME ZONE 'America/Toronto'
            ELSE a.start_at
        END AS begins_at,
        CASE
            WHEN a.is_all_day IS TRUE
                THEN (
                    date_trunc('day', a.start_at AT TIME ZONE 'America/Toronto')
                    + make_interval(days => greatest(1, (least(coalesce(a.duration_minutes, 0), 44640) + 1439) / 1440))
                ) AT TIME ZONE 'America/Toronto'
            ELSE a.start_at + make_interval(
                mins => least(greatest(coalesce(a.duration_minutes, 0), 0), 44640)
                + least(greatest(coalesce(a.buffer_minutes, 0), 0), 1440)
            )
        END AS ends_at
    FROM gazelle_appointments AS a
    WHERE a.deleted_at IS NULL
        AND a.start_at IS NOT NULL
        AND a.technician_external_id IS NOT NULL
        AND a.status IS DISTINCT FROM 'CANCELED'
        AND a.event_type IS DISTINCT FROM 'MEMO'
        AND (
            (%(since)s::timestamp IS NULL AND %(until)s::timestamp IS NULL)
            OR a.external_id IN (
                SELECT b.external_id
                FROM v_calendar_busy AS b
                WHERE b.busy && tsrange(%(since)s::timestamp, %(until)s::timestamp)
            )
        )
),
late AS (
    SELECT external_id, technician, tsrange(begins_at AT TIME ZONE 'UTC', ends_at AT TIME ZONE 'UTC') AS busy
    FROM (
        SELECT
            *,
            max(ends_at) OVER (
                PARTITION BY hashtext(technician)
                ORDER BY begins_at, external_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS taken_until
        FROM events
    ) AS ordered
    WHERE taken_until > begins_at
)
SELECT
    late.technician,
    early.external_id COLLATE "C",
    late.external_id,
    lower(early.busy * late.busy) AT TIME ZONE 'UTC',
    upper(early.busy * late.busy) AT TIME ZONE 'UTC'
FROM late
CROSS JOIN LATERAL (
    SELECT b.external_id, b.technician_external_id, b.busy
    FROM v_calendar_busy AS b
    WHERE b.busy && late.busy
    OFFSET 0 -- by the index, however many pairs the planner expects
) AS early
WHERE early.technician_external_id = late.technician
    AND (lower(early.busy), early.external_id COLLATE "C") < (lower(late.busy), late.external_id)
ORDER BY 4, 1, 2, 3
