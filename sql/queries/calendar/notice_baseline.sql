-- Every visit to come counts as known to its technician: the first complete scan tells nobody.
INSERT INTO notice_views (appointment_external_id, technician_external_id, told_at)
SELECT a.external_id, a.technician_external_id, a.start_at
FROM v_visits_to_tell AS a
WHERE a.start_at > %(now)s::timestamptz - interval '1 day'
ON CONFLICT DO NOTHING
