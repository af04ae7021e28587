-- What the notes of some pianos say, or of all of them, piano by piano.
SELECT subject, alert_type, source_external_id, effect, status, is_reading, observed_at, words, confidence,
    client_external_id, piano_external_id
FROM maintenance_findings
WHERE {subjects}::text[] IS NULL OR subject = ANY ({subjects}::text[])
ORDER BY subject COLLATE "C"
