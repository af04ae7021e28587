-- The alerts of some pianos, or of all of them, piano by piano: a note that was moved to another piano takes its alert
-- along. What people wrote or imported without a piano is their own affair.
SELECT coalesce(f.subject, a.piano_external_id, a.client_external_id, '') AS subject, a.alert_type, a.id,
    a.source_external_id, a.status, a.date_observation, a.decided_status, a.decided_at, a.resolved_by_external_id,
    a.resolved_date, a.description, a.confidence, a.client_external_id, a.piano_external_id
FROM maintenance_alerts AS a
LEFT JOIN maintenance_findings AS f
    ON f.source_external_id = a.source_external_id
        AND f.alert_type = a.alert_type
        AND ({subjects}::text[] IS NULL OR f.subject = ANY ({subjects}::text[]))
WHERE (a.source_external_id IS NOT NULL OR a.piano_external_id IS NOT NULL)
    AND (
        {subjects}::text[] IS NULL
        OR coalesce(a.piano_external_id, a.client_external_id) = ANY ({subjects}::text[])
        OR a.source_external_id = ANY ({sources}::text[])
    )
ORDER BY coalesce(f.subject, a.piano_external_id, a.client_external_id, '') COLLATE "C", a.id
