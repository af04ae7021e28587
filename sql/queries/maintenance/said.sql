-- What the notes of an alert's piano say of its kind, oldest first.
SELECT f.source_external_id, f.observed_at, f.effect, f.status, f.words, f.clause, f.confidence
FROM maintenance_alerts AS a
INNER JOIN maintenance_findings AS f
    ON f.subject = coalesce(a.piano_external_id, a.client_external_id) AND f.alert_type = a.alert_type
WHERE a.id = %(id)s
ORDER BY f.observed_at, f.source_external_id
