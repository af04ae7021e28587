INSERT INTO sync_conflicts (entity, source_table, local_id, external_id, field, base, ours, theirs, winner, run_id, idempotency_key)
VALUES (
    %(entity)s, %(source)s, %(local_id)s, %(record)s, %(field)s, %(base)s, %(ours)s, %(theirs)s, %(winner)s, %(run_id)s, %(key)s
)
ON CONFLICT (idempotency_key) DO NOTHING
