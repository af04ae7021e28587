-- Alerts of a piano that are open, or are to be confirmed.
SELECT id, alert_type, status, description, date_observation
FROM maintenance_alerts
WHERE piano_external_id = %(id)s AND status IN ('open', 'suggested')
ORDER BY date_observation DESC, id DESC
