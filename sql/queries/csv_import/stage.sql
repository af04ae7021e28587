-- Keep rows as they were read, with what became of them. One that was read before is written again only where that is
-- something else now.
INSERT INTO staging_import AS held (
    import_id, source, entity, file, line, row_hash, repetition, raw_data, outcome, old_id, gazelle_id, external_id, reason
)
SELECT
    %(import_id)s, %(source)s, %(entity)s, %(file)s, r.line, r.row_hash, r.repetition, r.raw_data, r.outcome, r.old_id,
    r.gazelle_id, r.external_id, r.reason
FROM json_to_recordset(%(rows)s::json) AS r (
    line integer, row_hash text, repetition integer, raw_data jsonb, outcome text, old_id text, gazelle_id text,
    external_id text, reason text
)
ON CONFLICT (source, entity, row_hash, repetition) DO UPDATE
SET import_id = excluded.import_id, file = excluded.file, line = excluded.line, outcome = excluded.outcome,
    old_id = excluded.old_id, gazelle_id = excluded.gazelle_id, external_id = excluded.external_id,
    reason = excluded.reason, updated_at = now(), updated_by = session_user
WHERE (held.outcome, held.old_id, held.external_id, held.reason)
    IS DISTINCT FROM (excluded.outcome, excluded.old_id, excluded.external_id, excluded.reason)
