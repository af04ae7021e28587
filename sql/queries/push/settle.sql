-- Both sides agree on some facts: they become base, and each fact gets another generation. None is used twice, whatever
-- happens to the row.
UPDATE {table}
SET base = CASE WHEN jsonb_typeof(base) = 'object' THEN base ELSE '{{}}' END || %(settles)s || jsonb_build_object(
    'generations',
    CASE WHEN jsonb_typeof(base -> 'generations') = 'object' THEN base -> 'generations' ELSE '{{}}' END || coalesce((
        SELECT jsonb_object_agg(fact, nextval('gazelle.edit_number'))
        FROM unnest(%(facts)s::text[]) AS fact
    ), '{{}}')
)
WHERE {key} = %(record)s
RETURNING base
