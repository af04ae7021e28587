-- What is about to be sent, a row an action, in their order: identity values are given in the order of the SELECT. `remote_before` is what it replaces.
INSERT INTO sync_gazelle_logs (
    entity, source_table, local_id, piano_id, action, field, status, error_message, idempotency_key, request, remote_before,
    run_id, attempts, doubt_until
)
SELECT
    %(entity)s, {source}, i.local_id, i.record, i.action, i.field, 'in_doubt', %(sending)s, i.key, i.request, i.before,
    %(run_id)s, 1, clock_timestamp() + make_interval(secs => %(grace_s)s)
FROM jsonb_to_recordset(%(given)s) AS i (
    place integer, local_id text, record text, action text, field text, key text, request jsonb, before jsonb
)
ORDER BY i.place
RETURNING id
