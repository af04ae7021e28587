-- Mark as told what is open and new; a note that was old when it was found is never told.
WITH told AS (
    UPDATE maintenance_alerts
    SET notified_at = now()
    WHERE status = 'open'
        AND notified_at IS NULL
        AND (created_at AT TIME ZONE 'America/Toronto')::date - date_observation <= %(days)s
    RETURNING id, date_observation, alert_type, coalesce(description, '') AS words, client_external_id, piano_external_id,
        location
)
SELECT t.date_observation, t.alert_type, t.words, c.display_name,
    nullif(concat_ws(' ', nullif(p.make, ''), nullif(p.model, '')), ''),
    coalesce(nullif(t.location, ''), nullif(p.location, ''))
FROM told AS t
LEFT JOIN gazelle_clients AS c ON c.external_id = t.client_external_id
LEFT JOIN gazelle_pianos AS p ON p.external_id = t.piano_external_id
ORDER BY c.display_name NULLS LAST, t.client_external_id, t.date_observation, t.id
