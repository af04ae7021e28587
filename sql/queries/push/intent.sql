INSERT INTO sync_gazelle_logs (
    entity, source_table, local_id, piano_id, action, field, status, error_message, idempotency_key, request, remote_before, run_id, attempts,
    doubt_until
)
VALUES (
    %(entity)s, %(source)s, %(local_id)s, %(record)s, %(action)s, %(field)s, 'in_doubt', %(reason)s, %(key)s, %(request)s, %(before)s, %(run_id)s, 1,
    clock_timestamp() + make_interval(secs => %(grace_s)s)
)
RETURNING id
