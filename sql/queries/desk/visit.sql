-- A visit at Gazelle by its id, or one that waits here by its draft's number.
SELECT
    a.external_id, NULL::bigint AS draft_id, a.title, a.start_at, a.duration_minutes, a.is_all_day IS TRUE, a.event_type,
    a.status, a.confirmed_at IS NOT NULL OR a.confirmed_by_client IS TRUE, a.technician_external_id,
    nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''), a.client_external_id, c.display_name,
    a.notes, a.address_line,
    ARRAY(
        SELECT p.piano_external_id FROM gazelle_appointment_pianos AS p
        WHERE p.appointment_external_id = a.external_id AND p.deleted_at IS NULL ORDER BY 1
    ),
    a.recurrence_id IS NOT NULL, NULL::text AS error
FROM gazelle_appointments AS a
LEFT JOIN gazelle_users AS u ON u.external_id = a.technician_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
WHERE a.external_id = %(id)s AND a.deleted_at IS NULL AND a.start_at IS NOT NULL
UNION ALL
SELECT
    d.appointment_external_id, d.id, d.title, d.start_at, d.duration_minutes, d.is_all_day, d.event_type, d.action, false,
    d.technician_external_id, nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''),
    d.client_external_id, c.display_name, d.notes, NULL,
    ARRAY(SELECT coalesce(p ->> 'id', p #>> '{}') FROM jsonb_array_elements(d.pianos) AS p), false, d.sync_error
FROM appointment_drafts AS d
LEFT JOIN gazelle_users AS u ON u.external_id = d.technician_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
WHERE d.id = %(draft)s AND d.status IN ('ready', 'held')
