-- The visits of some days that stand, and the days' drafts that are not at Gazelle yet. What a draft has made and no pull has
-- brought is a visit as well; a visit that one has moved or cancelled is where, and whether, the last of them says.
WITH sent AS (
    SELECT DISTINCT ON (d.appointment_external_id) d.id, d.appointment_external_id AS event, d.action
    FROM appointment_drafts AS d
    INNER JOIN gazelle_appointments AS e ON e.external_id = d.appointment_external_id AND e.synced_at < d.last_synced_at
    WHERE d.status = 'sent' AND d.action IN ('move', 'cancel') AND d.last_synced_at > now() - interval '2 days'
    ORDER BY d.appointment_external_id, d.last_synced_at DESC, d.id DESC
)
SELECT
    a.external_id, a.technician_external_id, a.technician, a.client, a.title, a.event_type, a.status, a.date_montreal,
    a.time_montreal, a.start_at, a.duration_minutes, a.is_confirmed, a.address_line, a.minutes_since_previous, NULL AS draft_id
FROM v_agenda AS a
WHERE a.date_montreal BETWEEN %(first)s AND %(last)s
    AND (%(technician)s::text IS NULL OR a.technician_external_id = gazelle.bare_id(%(technician)s))
    AND NOT EXISTS (SELECT FROM sent WHERE sent.event = a.external_id)
UNION ALL
SELECT
    d.appointment_external_id, d.technician, nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''),
    c.display_name, d.title, d.event_type, d.status, (d.start_at AT TIME ZONE 'America/Toronto')::date,
    CASE WHEN NOT d.is_all_day THEN (d.start_at AT TIME ZONE 'America/Toronto')::time END, d.start_at,
    coalesce(d.duration_minutes, 0), d.is_confirmed, NULL, NULL, d.draft_id
FROM (
    SELECT
        d.appointment_external_id,
        coalesce(d.technician_external_id, e.technician_external_id) AS technician,
        coalesce(d.client_external_id, e.client_external_id) AS client,
        coalesce(d.title, e.title) AS title,
        coalesce(e.event_type, d.event_type) AS event_type,
        CASE
            WHEN d.status = 'sent' THEN 'ACTIVE'
            WHEN d.appointment_external_id IS NOT NULL THEN 'move'
            ELSE d.action
        END AS status,
        d.is_all_day OR coalesce(e.is_all_day, false) AS is_all_day,
        coalesce(d.start_at, e.start_at) AS start_at,
        coalesce(d.duration_minutes, e.duration_minutes) AS duration_minutes,
        CASE WHEN d.status <> 'sent' THEN d.id END AS draft_id,
        d.status = 'sent' AND d.action = 'move' AND (e.confirmed_at IS NOT NULL OR e.confirmed_by_client IS TRUE) AS is_confirmed
    FROM appointment_drafts AS d
    LEFT JOIN gazelle_appointments AS e ON e.external_id = d.appointment_external_id
    WHERE d.status IN ('ready', 'held') AND d.action IN ('create', 'move')
        OR d.status = 'sent' AND d.action = 'create' AND e.external_id IS NULL
        AND d.last_synced_at > now() - interval '2 days'
        OR d.id IN (SELECT id FROM sent WHERE action = 'move')
) AS d
LEFT JOIN gazelle_users AS u ON u.external_id = d.technician
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client
WHERE (d.start_at AT TIME ZONE 'America/Toronto')::date BETWEEN %(first)s AND %(last)s
    AND (%(technician)s::text IS NULL OR d.technician = gazelle.bare_id(%(technician)s))
ORDER BY 8, 3, 2, 9 NULLS FIRST, 1, 15
