-- Maintenance alerts that an older system knew. One that is here stays as people left it.
INSERT INTO maintenance_alerts (
    external_id, client_external_id, piano_external_id, alert_type, description, date_observation, location, status,
    is_resolved, resolved_date, archived, notes, recipient_email, created_by
)
SELECT
    r.external_id, r.client_external_id, r.piano_external_id, r.alert_type, r.description, r.date_observation, r.location,
    r.status, r.is_resolved, r.resolved_date, r.archived, r.notes, r.recipient_email, r.created_by
FROM json_populate_recordset(NULL::maintenance_alerts, %(rows)s::json) AS r
ON CONFLICT (external_id) DO NOTHING
RETURNING external_id
