-- Whose invoice is to be made: the client, or that of a piano, with whom it may be sent to.
SELECT
    c.external_id, c.display_name, k.external_id,
    nullif(concat_ws(' ', nullif(k.first_name, ''), nullif(k.last_name, ''), nullif(k.email, '')), '')
FROM gazelle_clients AS c
LEFT JOIN gazelle_contacts AS k
    ON k.client_external_id = c.external_id AND k.deleted_at IS NULL AND NOT k.is_stub AND k.archived IS NOT TRUE
WHERE c.deleted_at IS NULL AND c.external_id = coalesce(
    %(client)s::text, (SELECT p.client_external_id FROM gazelle_pianos AS p WHERE p.external_id = %(piano)s::text)
)
ORDER BY k.is_default DESC NULLS LAST, k.sort_order, k.external_id
