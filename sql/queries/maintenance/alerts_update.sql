-- What became of alerts that are there.
UPDATE maintenance_alerts AS a
SET status = n.status, resolved_date = n.resolved_date, resolved_by_external_id = n.resolved_by_external_id,
    description = n.description, confidence = n.confidence, date_observation = n.date_observation,
    client_external_id = n.client_external_id, piano_external_id = n.piano_external_id, updated_by = 'scan'
FROM json_populate_recordset(NULL::maintenance_alerts, %(rows)s::json) AS n
WHERE a.id = n.id
