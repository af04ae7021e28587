-- Open alerts of the scan, each with its note or its measured humidity, if it still has one that counts.
SELECT a.id, a.alert_type, a.source_external_id, gazelle.note_text(n.title, n.description), m.humidity,
    c.external_id = ANY (%(low)s::text[]) OR c.tags && %(low)s::text[]
FROM maintenance_alerts AS a
LEFT JOIN gazelle_timeline_entries AS n
    ON n.external_id = a.source_external_id AND n.deleted_at IS NULL AND n.duplicate_of IS NULL
LEFT JOIN gazelle_piano_measurements AS m ON m.external_id = a.source_external_id AND m.deleted_at IS NULL
LEFT JOIN gazelle_clients AS c ON c.external_id = a.client_external_id
WHERE a.status = 'open' AND a.source_external_id IS NOT NULL AND a.decided_status IS DISTINCT FROM 'open'
    -- What was written since the last scan is the next scan's affair.
    AND NOT EXISTS (
        SELECT FROM maintenance_unread AS u
        WHERE u.source_external_id IS NULL OR u.source_external_id = a.source_external_id
    )
ORDER BY a.id
