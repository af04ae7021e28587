-- Whether there is anything to tell technicians now: the first complete scan, a visit that has not been as its technician
-- knows it for five minutes, a notice that was not sent, a daily list. Nothing is due at night, and nothing is made while
-- the last scan is incomplete.
WITH clock AS (
    SELECT now() AS now, now() AT TIME ZONE 'America/Toronto' AS wall
),
scan AS (
    SELECT
        s.updated_at AS scanned,
        s.value,
        CASE WHEN s.value ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' THEN s.value::timestamptz END AS began
    FROM system_settings AS s
    WHERE s.key = 'last_sync_date.appointments'
        AND NOT EXISTS (SELECT FROM system_settings WHERE key = 'partial_scan.appointments')
),
visits AS (
    SELECT a.external_id, a.technician_external_id AS technician, a.start_at
    FROM v_visits_to_tell AS a
    CROSS JOIN scan
    CROSS JOIN clock
    WHERE a.start_at > clock.now - interval '1 day'
        AND a.synced_at <= least(scan.scanned, clock.now - interval '5 minutes')
    UNION ALL
    -- Moved to a day that is over: news to whoever expects it. Apart, so that nothing looks through what is over.
    SELECT a.external_id, a.technician_external_id, a.start_at
    FROM notice_views AS n
    INNER JOIN v_visits_to_tell AS a
        ON a.external_id = n.appointment_external_id AND a.technician_external_id = n.technician_external_id
    CROSS JOIN scan
    CROSS JOIN clock
    WHERE n.told_at > clock.now - interval '1 day'
        AND a.start_at <= clock.now - interval '1 day'
        AND a.synced_at <= least(scan.scanned, clock.now - interval '5 minutes')
)
SELECT CASE
    WHEN NOT EXISTS (SELECT FROM system_settings WHERE key = 'calendar.notices.since') THEN EXISTS (
        SELECT
        FROM scan
        WHERE EXISTS (SELECT FROM gazelle_appointments)
            -- An empty calendar is believed when a second scan finds it so.
            OR NOT EXISTS (SELECT FROM system_settings AS s WHERE s.key = 'calendar.notices.empty' AND s.value = scan.value)
    )
    WHEN (SELECT wall::time >= '21:00' OR wall::time < '07:05' FROM clock) THEN false
    ELSE EXISTS (
        SELECT
        FROM notice_views AS n
        FULL JOIN visits AS v ON v.external_id = n.appointment_external_id AND v.technician = n.technician_external_id
        INNER JOIN gazelle_appointments AS a ON a.external_id = coalesce(n.appointment_external_id, v.external_id)
        CROSS JOIN scan
        CROSS JOIN clock
        WHERE n.told_at IS DISTINCT FROM v.start_at
            AND a.synced_at <= least(scan.scanned, clock.now - interval '5 minutes')
            AND coalesce(greatest(n.told_at, v.start_at), '-infinity') > clock.now - interval '1 day'
    )
        OR EXISTS (
            SELECT
            FROM notices CROSS JOIN clock
            WHERE status = 'due' AND due_at <= clock.now AND (claimed_at IS NULL OR claimed_at < clock.now - interval '10 minutes')
        )
        OR EXISTS (
            SELECT
            FROM (VALUES ('unconfirmed', '16:00'::time), ('booked_long_ago', '09:00'), ('without_notes', '17:00')) AS l (kind, hour)
            CROSS JOIN clock
            CROSS JOIN scan
            CROSS JOIN LATERAL (SELECT clock.wall::date - (clock.wall::time < l.hour)::integer AS day) AS last
            INNER JOIN system_settings AS s ON s.key = 'calendar.notices.' || l.kind
            WHERE s.value < last.day::text
                AND scan.began >= (last.day + l.hour - interval '1 hour') AT TIME ZONE 'America/Toronto'
        )
END
