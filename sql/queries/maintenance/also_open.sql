-- An alert that is to be opened again, and another open one of its piano and kind.
SELECT a.id, other.id
FROM maintenance_alerts AS a
INNER JOIN maintenance_alerts AS other
    ON coalesce(other.piano_external_id, other.client_external_id) = coalesce(a.piano_external_id, a.client_external_id)
    AND other.alert_type = a.alert_type AND other.id <> a.id AND other.status = 'open'
WHERE a.id = ANY (%(ids)s::bigint[])
LIMIT 1
