-- Changes of events that Gazelle does not have yet, and of which nothing is on its way, the last first.
SELECT d.id, d.appointment_external_id, d.action
FROM appointment_drafts AS d
WHERE d.appointment_external_id IN (SELECT gazelle.bare_id(one) FROM unnest(%(events)s::text[]) AS one)
    AND d.status IN ('ready', 'held')
    AND d.action <> 'create'
    AND (d.action = %(action)s OR %(action)s = 'cancel')
    AND NOT EXISTS (
        SELECT
        FROM sync_gazelle_logs AS l
        WHERE l.source_table = 'appointment_drafts' AND l.local_id = d.id::text AND l.status = 'in_doubt'
    )
ORDER BY d.id DESC
FOR UPDATE OF d
