-- What notes say now.
INSERT INTO maintenance_findings (
    source_external_id, alert_type, effect, status, words, clause, confidence, is_reading, client_external_id,
    piano_external_id, observed_at
)
SELECT
    source_external_id, alert_type, effect, status, words, clause, confidence, is_reading, client_external_id,
    piano_external_id, observed_at
FROM json_populate_recordset(NULL::maintenance_findings, %(rows)s::json)
