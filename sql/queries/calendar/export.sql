-- A technician's events from a day on, and those that their file held and that are theirs no more, with what the file said
-- of each.
SELECT
    a.external_id,
    a.technician_external_id IS DISTINCT FROM %(technician)s
        OR a.deleted_at IS NOT NULL
        OR a.status IS NOT DISTINCT FROM 'CANCELED',
    a.start_at, coalesce(a.duration_minutes, 0), a.is_all_day IS TRUE, coalesce(nullif(a.title, ''), c.display_name),
    nullif(btrim(regexp_replace(a.notes, '\s*\[gazelle_sync [0-9a-z-]+\]', '', 'g')), ''), a.address_line, a.confirmed_at IS NOT NULL OR a.confirmed_by_client IS TRUE OR a.status IS DISTINCT FROM 'ACTIVE'
        OR a.event_type IS DISTINCT FROM 'APPOINTMENT',
    coalesce(
        (
            SELECT array_agg(
                concat_ws(', ', nullif(concat_ws(' ', p.make, p.model, p.serial_number), ''), nullif(p.location, ''))
                ORDER BY l.id
            )
            FROM gazelle_appointment_pianos AS l
            INNER JOIN gazelle_pianos AS p ON p.external_id = l.piano_external_id
            WHERE l.appointment_external_id = a.external_id AND l.deleted_at IS NULL
        ),
        '{}'
    ),
    x.digest, x.sequence, x.changed_at
FROM gazelle_appointments AS a
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
LEFT JOIN calendar_exports AS x
    ON x.appointment_external_id = a.external_id AND x.technician_external_id = %(technician)s
WHERE a.start_at >= %(since)s
    AND (
        x.digest IS NOT NULL
        OR (
            a.technician_external_id = %(technician)s
            AND a.deleted_at IS NULL
            AND a.status IS DISTINCT FROM 'CANCELED'
        )
    )
ORDER BY a.start_at, a.external_id
