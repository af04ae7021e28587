-- What technicians know from now on, and what was found.
INSERT INTO notice_views AS v (appointment_external_id, technician_external_id, told_at, found_at, since)
SELECT visit, technician, told, found, since
FROM unnest(
    %(visits)s::text[], %(technicians)s::text[], %(told)s::timestamptz[], %(found)s::timestamptz[], %(since)s::timestamptz[]
) AS said (visit, technician, told, found, since)
ON CONFLICT (appointment_external_id, technician_external_id) DO UPDATE
SET told_at = excluded.told_at, found_at = excluded.found_at, since = excluded.since
