-- What technicians know from now on.
INSERT INTO notice_views AS v (appointment_external_id, technician_external_id, told_at)
SELECT visit, technician, told
FROM unnest(%(visits)s::text[], %(technicians)s::text[], %(told)s::timestamptz[]) AS said (visit, technician, told)
ON CONFLICT (appointment_external_id, technician_external_id) DO UPDATE SET told_at = excluded.told_at
