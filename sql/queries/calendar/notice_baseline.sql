-- Every visit to come counts as known to its technician: the first complete scan tells nobody.
INSERT INTO notice_views (appointment_external_id, technician_external_id, told_at)
SELECT a.external_id, a.technician_external_id, a.start_at
FROM gazelle_appointments AS a
WHERE a.deleted_at IS NULL
    AND a.event_type = 'APPOINTMENT'
    AND a.status IS DISTINCT FROM 'CANCELED'
    AND a.technician_external_id IS NOT NULL
    AND a.start_at > %(now)s::timestamptz - interval '1 day'
ON CONFLICT DO NOTHING
