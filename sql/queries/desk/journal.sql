-- What people changed at the desk, the newest first.
SELECT id, at, who, action, record, field, details, ended_at, refusal
FROM desk_changes
WHERE (%(record)s::text IS NULL OR record = %(record)s) AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC
LIMIT %(most)s
