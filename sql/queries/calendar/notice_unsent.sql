-- Notices of these visits and technicians that nobody has begun to send, the oldest first: what they told is not known yet.
SELECT n.id, n.appointment_external_id, n.technician_external_id, n.details ->> 'before'
FROM notices AS n
INNER JOIN unnest(%(visits)s::text[], %(technicians)s::text[]) AS pair (visit, technician)
    ON n.appointment_external_id = pair.visit AND n.technician_external_id = pair.technician
WHERE n.status = 'due'
    AND n.claimed_at IS NULL
    AND n.kind IN ('new', 'reassigned', 'freed', 'moved', 'canceled')
ORDER BY n.id
FOR UPDATE OF n
