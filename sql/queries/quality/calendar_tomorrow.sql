-- Visits of tomorrow, by Montreal's clock, and those of them that nobody is to make.
SELECT
    count(*),
    coalesce(array_agg(a.external_id ORDER BY a.start_at) FILTER (WHERE a.technician_external_id IS NULL), '{{}}')
FROM gazelle_appointments AS a
WHERE a.deleted_at IS NULL
    AND a.event_type = 'APPOINTMENT'
    AND a.status = 'ACTIVE'
    AND (a.start_at AT TIME ZONE 'America/Toronto')::date = (now() AT TIME ZONE 'America/Toronto')::date + 1
