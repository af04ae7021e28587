-- Visits of technicians that are not as those know them, and have not changed for some minutes. Rows that were written
-- after the last complete scan are left out; so is a visit of which production holds no row: nobody said that it is gone.
WITH visits AS (
    SELECT a.external_id, a.technician_external_id AS technician, a.start_at
    FROM v_visits_to_tell AS a
    WHERE a.start_at > %(now)s::timestamptz - interval '1 day'
        AND a.synced_at <= least(%(scanned)s::timestamptz, %(settled)s::timestamptz)
    UNION ALL
    -- Moved to a day that is over: news to whoever expects it. Apart, so that nothing looks through what is over.
    SELECT a.external_id, a.technician_external_id, a.start_at
    FROM notice_views AS n
    INNER JOIN v_visits_to_tell AS a
        ON a.external_id = n.appointment_external_id AND a.technician_external_id = n.technician_external_id
    WHERE n.told_at > %(now)s::timestamptz - interval '1 day'
        AND a.start_at <= %(now)s::timestamptz - interval '1 day'
        AND a.synced_at <= least(%(scanned)s::timestamptz, %(settled)s::timestamptz)
)
SELECT
    pair.visit, pair.technician, pair.told_at, pair.start_at,
    a.deleted_at IS NULL AND a.status IS DISTINCT FROM 'CANCELED' AND a.event_type IN ('APPOINTMENT', 'PERSONAL') AS is_alive,
    EXISTS (
        SELECT
        FROM notice_views AS o
        WHERE o.appointment_external_id = pair.visit
            AND o.technician_external_id <> pair.technician
            AND o.told_at IS NOT NULL
    ) AS others_had,
    entry.author,
    jsonb_strip_nulls(
        jsonb_build_object(
            'client', c.display_name, 'title', nullif(a.title, ''), 'address', nullif(a.address_line, ''),
            'now_with', nullif(concat_ws(' ', u.first_name, u.last_name), ''),
            'who', nullif(concat_ws(' ', w.first_name, w.last_name), ''), 'why', entry.why
        )
    ) AS details
FROM (
    SELECT
        coalesce(n.appointment_external_id, v.external_id) AS visit,
        coalesce(n.technician_external_id, v.technician) AS technician,
        n.told_at, v.start_at
    FROM notice_views AS n
    FULL JOIN visits AS v ON v.external_id = n.appointment_external_id AND v.technician = n.technician_external_id
    WHERE n.told_at IS DISTINCT FROM v.start_at
) AS pair
INNER JOIN gazelle_appointments AS a ON a.external_id = pair.visit
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = a.technician_external_id
LEFT JOIN LATERAL (
    -- Who changed the visit, where the client's timeline says so at that time. An entry does not name its visit: where
    -- several people wrote, the nearest is the likeliest, and nobody is left out as the one who did it.
    SELECT
        (array_agg(t.user_external_id ORDER BY t.nearness, t.occurred_at DESC))[1] AS who,
        (array_agg(t.why ORDER BY t.nearness, t.occurred_at DESC))[1] AS why,
        CASE WHEN count(DISTINCT t.user_external_id) = 1 THEN min(t.user_external_id) END AS author
    FROM (
        SELECT
            t.*,
            abs(extract(epoch FROM t.occurred_at - a.gazelle_updated_at)) AS nearness,
            coalesce(nullif(t.description, ''), nullif(t.title, '')) AS why
        FROM gazelle_timeline_entries AS t
    ) AS t
    WHERE t.client_external_id = a.client_external_id
        AND t.entry_type IN ('APPOINTMENT', 'APPOINTMENT_LOG')
        AND t.occurred_at BETWEEN a.gazelle_updated_at - interval '2 minutes' AND a.gazelle_updated_at + interval '2 minutes'
        AND t.user_external_id IS NOT NULL
        AND t.deleted_at IS NULL
) AS entry ON true
LEFT JOIN gazelle_users AS w ON w.external_id = entry.who
WHERE a.synced_at <= least(%(scanned)s::timestamptz, %(settled)s::timestamptz)
ORDER BY pair.visit, pair.technician
