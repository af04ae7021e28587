-- An alert's history, oldest first.
SELECT at, status, made_by, source_external_id FROM maintenance_alert_events WHERE alert_id = %(id)s ORDER BY id
