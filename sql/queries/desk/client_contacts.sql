-- Whom to write to or call at a client.
SELECT nullif(concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')), ''), role, email, coalesce(mobile_phone, phone)
FROM gazelle_contacts
WHERE client_external_id = %(id)s AND deleted_at IS NULL AND archived IS NOT TRUE
ORDER BY is_default DESC NULLS LAST, sort_order, external_id
