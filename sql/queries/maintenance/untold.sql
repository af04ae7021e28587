-- Whether an alert is open and new, and its note was not old when it was found.
SELECT 1
FROM maintenance_alerts
WHERE status = 'open'
    AND notified_at IS NULL
    AND (created_at AT TIME ZONE 'America/Toronto')::date - date_observation <= %(days)s
LIMIT 1
