-- The oldest message that is due, claimed, with where and in which language its technician is told: one notice, or all of a
-- daily list. Whoever claims holds the lock, so that no list is torn in two.
WITH oldest AS (
    SELECT n.id, n.kind, n.technician_external_id AS technician
    FROM notices AS n
    WHERE n.status = 'due' AND n.claimed_at IS NULL AND n.due_at <= %(now)s::timestamptz
    ORDER BY n.id
    LIMIT 1
)
UPDATE notices AS n
SET claimed_at = %(now)s::timestamptz, attempts = n.attempts + 1, updated_at = %(now)s::timestamptz
FROM oldest
INNER JOIN technician_contacts AS t ON gazelle.bare_id(t.technician_external_id) = oldest.technician
WHERE n.status = 'due'
    AND n.claimed_at IS NULL
    AND n.due_at <= %(now)s::timestamptz
    AND (
        n.id = oldest.id
        OR n.kind = ANY (%(lists)s::text[]) AND n.kind = oldest.kind AND n.technician_external_id = oldest.technician
    )
RETURNING n.id, n.kind, n.technician_external_id, n.details, t.address, t.language
