-- The newest visits of a client, those to come first.
SELECT
    a.external_id, a.start_at, a.title, nullif(concat_ws(' ', nullif(u.first_name, ''), nullif(u.last_name, '')), ''),
    a.status
FROM gazelle_appointments AS a
LEFT JOIN gazelle_users AS u ON u.external_id = a.technician_external_id
WHERE a.client_external_id = %(id)s AND a.deleted_at IS NULL AND a.start_at IS NOT NULL
ORDER BY a.start_at DESC
LIMIT 20
