-- Gazelle's clients that have one of some e-mail addresses, themselves or by a contact.
SELECT email, array_agg(DISTINCT external_id)
FROM (
    SELECT lower(btrim(email)) AS email, external_id
    FROM gazelle_clients
    WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
    UNION ALL
    SELECT lower(btrim(k.email)), k.client_external_id
    FROM gazelle_contacts AS k
    INNER JOIN gazelle_clients AS c ON c.external_id = k.client_external_id
    WHERE k.deleted_at IS NULL AND NOT k.is_stub AND NOT starts_with(k.external_id, 'v4_')
        AND c.deleted_at IS NULL AND NOT c.is_stub AND NOT starts_with(c.external_id, 'v4_')
) AS reached
WHERE email = ANY (%(keys)s)
GROUP BY email
