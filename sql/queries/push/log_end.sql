-- What came of actions. A doubt begins anew with `grace_s`: until then the request may still arrive.
UPDATE sync_gazelle_logs AS l
SET status = e.status,
    error_message = e.reason,
    response = coalesce(e.response, l.response),
    remote_before = coalesce(e.before, l.remote_before),
    synced_at = clock_timestamp(),
    doubt_until = CASE
        WHEN e.grace_s IS NULL THEN l.doubt_until
        ELSE clock_timestamp() + make_interval(secs => e.grace_s)
    END
FROM jsonb_to_recordset(%(given)s) AS e (
    id bigint, status text, reason text, response jsonb, before jsonb, grace_s double precision
)
WHERE l.id = e.id
RETURNING l.id, l.doubt_until
