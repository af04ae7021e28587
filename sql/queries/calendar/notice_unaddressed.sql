-- Whoever has no address is not told; the notice is kept.
UPDATE notices AS n
SET status = 'suppressed', reason = 'no_address', updated_at = %(now)s::timestamptz
WHERE n.status = 'due'
    AND n.claimed_at IS NULL
    AND n.due_at <= %(now)s::timestamptz
    AND NOT EXISTS (
        SELECT
        FROM technician_contacts AS t
        WHERE gazelle.bare_id(t.technician_external_id) = n.technician_external_id AND btrim(t.address) <> ''
    )
RETURNING n.technician_external_id, n.kind
