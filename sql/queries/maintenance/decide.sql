-- A person decides. Saying the same again changes nothing.
WITH wanted AS (
    SELECT id FROM maintenance_alerts WHERE id = ANY (%(ids)s::bigint[]) AND status <> 'withdrawn' FOR UPDATE
),
changed AS (
    UPDATE maintenance_alerts AS a
    SET status = %(status)s, updated_by = coalesce(%(who)s, session_user)
    FROM wanted
    WHERE a.id = wanted.id AND a.status <> %(status)s
)
SELECT id FROM wanted
