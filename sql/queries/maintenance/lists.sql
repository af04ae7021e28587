-- The alerts of the lists, newest first; or one, whatever its status.
SELECT
    a.id, a.status, a.alert_type AS kind, a.description AS words, a.date_observation AS observed_on, a.confidence,
    a.client_external_id, c.display_name AS client, a.piano_external_id,
    nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, '')), '') AS piano, p.serial_number,
    coalesce(nullif(a.location, ''), nullif(p.location, '')) AS room, a.source_external_id,
    gazelle.note_text(n.title, n.description) AS note, a.resolved_date AS resolved_on, a.resolved_by_external_id,
    gazelle.note_text(r.title, r.description) AS resolved_by, a.notes, a.created_by, a.notified_at
FROM maintenance_alerts AS a
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
LEFT JOIN gazelle_pianos AS p ON p.external_id = a.piano_external_id
LEFT JOIN gazelle_timeline_entries AS n ON n.external_id = a.source_external_id
LEFT JOIN gazelle_timeline_entries AS r ON r.external_id = a.resolved_by_external_id
WHERE CASE WHEN %(id)s::bigint IS NULL THEN a.status <> 'withdrawn' ELSE a.id = %(id)s::bigint END
    AND (%(kind)s::text IS NULL OR a.alert_type = %(kind)s)
    AND (%(since)s::date IS NULL OR a.date_observation >= %(since)s)
    AND (
        %(client)s::text IS NULL
        OR a.client_external_id = %(client)s
        OR position(lower(%(client)s) IN lower(coalesce(c.display_name, ''))) > 0
    )
ORDER BY a.date_observation DESC, a.id DESC
