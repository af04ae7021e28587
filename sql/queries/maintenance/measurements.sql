-- Measured humidities: all of them, those of some ids, or those of some pianos. A measurement has a day and no hour: noon in
-- Montreal stands for it.
SELECT m.id, m.external_id, p.client_external_id, m.piano_external_id,
    (m.taken_on + time '12:00') AT TIME ZONE 'America/Toronto', ''::text, m.humidity,
    c.external_id IS NOT NULL AND (c.external_id = ANY (%(low)s::text[]) OR c.tags && %(low)s::text[])
FROM gazelle_piano_measurements AS m
LEFT JOIN gazelle_pianos AS p ON p.external_id = m.piano_external_id
LEFT JOIN gazelle_clients AS c ON c.external_id = p.client_external_id
WHERE m.humidity IS NOT NULL
    AND (%(ids)s::text[] IS NULL OR m.external_id = ANY (%(ids)s::text[]))
    AND (%(subjects)s::text[] IS NULL OR m.piano_external_id = ANY (%(subjects)s::text[]))
    AND m.taken_on IS NOT NULL
    AND m.deleted_at IS NULL
    AND NOT m.is_stub
    AND (
        %(scope)s::text[] = '{}'
        OR p.client_external_id = ANY (%(scope)s::text[])
        OR c.tags && %(scope)s::text[]
    )
ORDER BY m.id
