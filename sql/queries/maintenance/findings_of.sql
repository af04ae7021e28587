-- What the notes of some pianos say, or of all of them, oldest first.
SELECT subject, alert_type, source_external_id, effect, status, is_reading, observed_at, words, confidence,
    client_external_id, piano_external_id
FROM maintenance_findings
WHERE %(subjects)s::text[] IS NULL OR subject = ANY (%(subjects)s::text[])
ORDER BY observed_at, source_external_id
