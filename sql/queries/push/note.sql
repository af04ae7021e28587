-- Rows for what was not sent.
INSERT INTO sync_gazelle_logs (
    entity, source_table, local_id, piano_id, action, field, status, error_message, idempotency_key, run_id
)
SELECT %(entity)s, {source}, n.local_id, n.record, n.action, n.field, n.status, n.reason, n.key, %(run_id)s
FROM jsonb_to_recordset(%(given)s) AS n (
    local_id text, record text, action text, field text, status text, reason text, key text
)
