-- Both sides agree on some facts: they become base, and each fact gets another generation. None is used twice, whatever
-- happens to the row. A row that speaks of another record by now has nothing to do with it; where it depends on a
-- revision, only if the row is still at it.
UPDATE push_state AS s
SET base = CASE WHEN jsonb_typeof(s.base) = 'object' THEN s.base ELSE '{{}}' END || d.settles || jsonb_build_object(
    'generations',
    CASE WHEN jsonb_typeof(s.base -> 'generations') = 'object' THEN s.base -> 'generations' ELSE '{{}}' END || coalesce((
        SELECT jsonb_object_agg(fact, nextval('gazelle.edit_number'))
        FROM jsonb_object_keys(d.settles) AS fact
    ), '{{}}')
)
FROM jsonb_to_recordset(%(given)s) AS d (local_id text, record text, settles jsonb, revision bigint)
WHERE s.source_table = {source} AND s.local_id = d.local_id AND s.external_id IS NOT DISTINCT FROM d.record
    AND (d.revision IS NULL OR s.revision = d.revision)
RETURNING s.local_id, s.base
