-- The visits of some days that stand, with the pianos of each, and the days' drafts that are not at Gazelle yet.
SELECT
    a.external_id, a.technician_external_id, a.technician, a.client, a.title, a.event_type, a.status, a.date_montreal,
    a.time_montreal, a.start_at, a.duration_minutes, a.is_confirmed, a.address_line, a.minutes_since_previous, NULL AS draft_id
FROM v_agenda AS a
WHERE a.date_montreal BETWEEN %(first)s AND %(last)s
    AND (%(technician)s::text IS NULL OR a.technician_external_id = gazelle.bare_id(%(technician)s))
UNION ALL
SELECT
    d.appointment_external_id, d.technician_external_id,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), c.display_name, d.title, d.event_type,
    d.action, (d.start_at AT TIME ZONE 'America/Toronto')::date,
    CASE WHEN NOT d.is_all_day THEN (d.start_at AT TIME ZONE 'America/Toronto')::time END, d.start_at,
    coalesce(d.duration_minutes, 0), false, NULL, NULL, d.id
FROM appointment_drafts AS d
LEFT JOIN gazelle_users AS u ON u.external_id = d.technician_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
WHERE d.status IN ('ready', 'held')
    AND d.action IN ('create', 'move')
    AND (d.start_at AT TIME ZONE 'America/Toronto')::date BETWEEN %(first)s AND %(last)s
    AND (%(technician)s::text IS NULL OR d.technician_external_id = gazelle.bare_id(%(technician)s))
ORDER BY 8, 3, 2, 9 NULLS FIRST, 1, 15
