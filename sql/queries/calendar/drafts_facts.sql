-- Each open draft, with what is known of everything that it names. An event that a draft has just made is known by that
-- draft until a pull brings it; the pianos of a visit that is complete are those of the event where the draft names none.
-- A start that no program can hold (infinity) is the calendar's end.
SELECT
    d.id, d.action, d.appointment_external_id, e.external_id IS NOT NULL OR made.id IS NOT NULL,
    e.deleted_at IS NOT NULL, coalesce(e.status, CASE WHEN made.id IS NOT NULL THEN 'ACTIVE' END),
    coalesce(e.event_type, made.event_type), coalesce(e.client_external_id, made.client_external_id),
    d.client_external_id, c.external_id IS NOT NULL, c.deleted_at IS NOT NULL,
    d.technician_external_id, u.external_id IS NOT NULL, CASE WHEN u.deleted_at IS NULL THEN u.status END,
    u.is_schedulable,
    CASE WHEN d.start_at IS NOT NULL THEN greatest(least(d.start_at, '9998-01-01'), '0002-01-01') END, d.duration_minutes, d.is_all_day, d.event_type, named.pianos, d.is_forced,
    d.joint_key::text, d.sync_error
FROM appointment_drafts AS d
LEFT JOIN gazelle_appointments AS e ON e.external_id = d.appointment_external_id
LEFT JOIN LATERAL (
    SELECT m.id, m.event_type, m.client_external_id
    FROM appointment_drafts AS m
    WHERE m.appointment_external_id = d.appointment_external_id AND m.action = 'create' AND m.status <> 'canceled'
    ORDER BY m.id
    LIMIT 1
) AS made ON e.external_id IS NULL
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
LEFT JOIN gazelle_users AS u ON u.external_id = d.technician_external_id
CROSS JOIN LATERAL (
    SELECT jsonb_agg(
        jsonb_build_array(
            one.id, CASE WHEN one.is_named THEN p.client_external_id END, p.status,
            p.external_id IS NOT NULL OR NOT one.is_named, p.deleted_at IS NOT NULL AND one.is_named
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
            place,
            true AS is_named
        FROM jsonb_array_elements(d.pianos) WITH ORDINALITY AS list (item, place)
        UNION ALL
        SELECT l.piano_external_id, l.id, false
        FROM gazelle_appointment_pianos AS l
        WHERE l.appointment_external_id = d.appointment_external_id AND l.deleted_at IS NULL
            AND d.action = 'complete' AND d.pianos = '[]' AND nullif(btrim(d.notes), '') IS NOT NULL
    ) AS one
    LEFT JOIN gazelle_pianos AS p ON p.external_id = one.id
) AS named
WHERE d.status IN ('ready', 'held')
ORDER BY d.id
