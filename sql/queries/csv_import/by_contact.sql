-- Gazelle's contacts by client and e-mail address.
SELECT client_external_id || ' ' || lower(btrim(email)), array_agg(external_id)
FROM gazelle_contacts
WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
    AND client_external_id || ' ' || lower(btrim(email)) = ANY (%(keys)s)
GROUP BY 1
