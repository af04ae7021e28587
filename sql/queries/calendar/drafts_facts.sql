-- Each open draft, with what is known of everything that it names.
SELECT
    d.id, d.action, d.appointment_external_id, e.external_id IS NOT NULL, e.deleted_at IS NOT NULL, e.status, e.event_type,
    e.client_external_id, d.client_external_id, c.external_id IS NOT NULL, c.deleted_at IS NOT NULL,
    d.technician_external_id, u.external_id IS NOT NULL, CASE WHEN u.deleted_at IS NULL THEN u.status END,
    u.is_schedulable, d.start_at, d.duration_minutes, d.is_all_day, d.event_type, named.pianos, d.is_forced
FROM appointment_drafts AS d
LEFT JOIN gazelle_appointments AS e ON e.external_id = d.appointment_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = d.technician_external_id
CROSS JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_array(
            one.id, p.client_external_id, p.status, p.external_id IS NOT NULL, p.deleted_at IS NOT NULL
        ) ORDER BY one.place
    ) AS pianos
    FROM (
        SELECT
            gazelle.bare_id(
                CASE jsonb_typeof(item)
                    WHEN 'string' THEN item #>> '{}'
                    WHEN 'object' THEN coalesce(item ->> 'id', item ->> 'pianoId')
                END
            ) AS id,
            place
        FROM jsonb_array_elements(d.pianos) WITH ORDINALITY AS list (item, place)
    ) AS one
    LEFT JOIN gazelle_pianos AS p ON p.external_id = one.id
) AS named
WHERE d.status IN ('ready', 'held')
ORDER BY d.id
