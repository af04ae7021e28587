-- New notices. One that was made before for the same day has another version.
INSERT INTO notices (
    kind, appointment_external_id, technician_external_id, montreal_day, version, status, reason, details, due_at, created_at
)
SELECT
    said.kind, said.visit, said.technician, said.day,
    1 + coalesce(
        (
            SELECT max(n.version)
            FROM notices AS n
            WHERE n.kind = said.kind
                AND n.appointment_external_id = said.visit
                AND n.technician_external_id = said.technician
                AND n.montreal_day = said.day
        ),
        0
    ),
    CASE WHEN said.reason IS NULL THEN 'due' ELSE 'suppressed' END, said.reason, said.details, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(
    %(kinds)s::text[], %(visits)s::text[], %(technicians)s::text[], %(days)s::date[], %(reasons)s::text[], %(details)s::jsonb[]
) AS said (kind, visit, technician, day, reason, details)
