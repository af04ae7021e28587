-- What is due, claimed, with where and in which language the technician is told.
UPDATE notices AS n
SET claimed_at = %(now)s::timestamptz, attempts = n.attempts + 1, updated_at = %(now)s::timestamptz
FROM (
    SELECT due.id, t.address, t.language
    FROM notices AS due
    LEFT JOIN technician_contacts AS t ON t.technician_external_id = due.technician_external_id
    WHERE due.status = 'due' AND due.claimed_at IS NULL AND due.due_at <= %(now)s::timestamptz
    ORDER BY due.id
    LIMIT 500
    FOR UPDATE OF due SKIP LOCKED
) AS taken
WHERE n.id = taken.id
RETURNING n.id, n.kind, n.technician_external_id, n.details, n.attempts, taken.address, taken.language
