-- What loses; the same clash met again is not told twice. Where it depends on a revision, only if the row is still at it.
INSERT INTO sync_conflicts (
    entity, source_table, local_id, external_id, field, base, ours, theirs, winner, run_id, idempotency_key
)
SELECT %(entity)s, {source}, c.local_id, c.record, c.field, c.base, c.ours, c.theirs, c.winner, %(run_id)s, c.key
FROM jsonb_to_recordset(%(given)s) AS c (
    local_id text, record text, field text, base text, ours text, theirs text, winner text, key text, revision bigint
)
WHERE c.revision IS NULL OR EXISTS (
    SELECT FROM push_state AS s
    WHERE s.source_table = {source} AND s.local_id = c.local_id AND s.revision = c.revision
)
ON CONFLICT (idempotency_key) DO NOTHING
