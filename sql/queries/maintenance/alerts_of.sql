-- The alerts of some pianos, or of all of them. What people wrote or imported without a piano is their own affair.
SELECT coalesce(piano_external_id, client_external_id, '') AS subject, alert_type, id, source_external_id, status,
    date_observation, decided_status, decided_at, resolved_by_external_id, resolved_date, description, confidence,
    client_external_id, piano_external_id
FROM maintenance_alerts
WHERE (source_external_id IS NOT NULL OR piano_external_id IS NOT NULL)
    AND (
        %(subjects)s::text[] IS NULL
        OR coalesce(piano_external_id, client_external_id) = ANY (%(subjects)s::text[])
        OR source_external_id = ANY (%(sources)s::text[])
    )
ORDER BY id
