-- Whom a new visit is for: the piano that its form was opened at, or the client, with the client's pianos.
SELECT
    c.external_id, c.display_name, p.external_id,
    coalesce(nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, ''), nullif(p.serial_number, '')), ''), p.external_id),
    nullif(p.location, ''), p.external_id IS NOT DISTINCT FROM %(piano)s::text
FROM gazelle_clients AS c
LEFT JOIN gazelle_pianos AS p ON p.client_external_id = c.external_id AND p.deleted_at IS NULL
WHERE c.external_id = coalesce(
    %(client)s::text, (SELECT o.client_external_id FROM gazelle_pianos AS o WHERE o.external_id = %(piano)s::text)
)
ORDER BY p.location, 4
