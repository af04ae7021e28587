-- A row for what was not sent.
INSERT INTO sync_gazelle_logs (entity, source_table, local_id, piano_id, action, field, status, error_message, idempotency_key, run_id)
VALUES (%(entity)s, %(source)s, %(local_id)s, %(record)s, %(action)s, %(field)s, %(status)s, %(reason)s, %(key)s, %(run_id)s)
