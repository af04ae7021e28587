-- A piano with its client, and the shop's own row about it, if there is one; of several the newest, with their number.
SELECT
    p.external_id, nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, '')), ''), nullif(p.serial_number, ''),
    p.year, p.type, nullif(p.location, ''), p.status, coalesce(p.tags, '{}'), p.notes, p.calculated_last_service,
    p.calculated_next_service, p.dampp_chaser_installed, p.deleted_at, p.client_external_id, c.display_name, e.row, e.count
FROM gazelle_pianos AS p
LEFT JOIN gazelle_clients AS c ON c.external_id = p.client_external_id
LEFT JOIN LATERAL (
    SELECT to_jsonb(t) AS row, count(*) OVER () AS count
    FROM vincent_dindy_piano_updates AS t
    WHERE gazelle.bare_id(t.gazelle_id::text) = p.external_id
    ORDER BY t.updated_at DESC NULLS LAST
    LIMIT 1
) AS e ON true
WHERE p.external_id = %(id)s
