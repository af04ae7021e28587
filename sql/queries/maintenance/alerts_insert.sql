-- New alerts, each with the room that its piano stands in.
INSERT INTO maintenance_alerts (
    client_external_id, piano_external_id, alert_type, description, date_observation, location, confidence,
    source_external_id, status, resolved_date, resolved_by_external_id, created_by
)
SELECT
    n.client_external_id, n.piano_external_id, n.alert_type, n.description, n.date_observation, nullif(p.location, ''),
    n.confidence, n.source_external_id, n.status, n.resolved_date, n.resolved_by_external_id, 'scan'
FROM json_populate_recordset(NULL::maintenance_alerts, %(rows)s::json) AS n
LEFT JOIN gazelle_pianos AS p ON p.external_id = n.piano_external_id
ON CONFLICT (source_external_id, alert_type) WHERE source_external_id IS NOT NULL DO NOTHING
