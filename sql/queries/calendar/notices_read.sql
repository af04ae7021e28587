-- What technicians were told, or were not.
SELECT
    n.id, n.kind, n.appointment_external_id,
    coalesce(nullif(concat_ws(' ', u.first_name, u.last_name), ''), n.technician_external_id), n.montreal_day, n.status,
    n.reason, n.due_at, n.sent_at
FROM notices AS n
LEFT JOIN gazelle_users AS u ON u.external_id = n.technician_external_id
WHERE n.created_at >= %(since)s
ORDER BY n.id DESC
