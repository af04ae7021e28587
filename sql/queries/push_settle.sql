-- Both sides agree on some facts: they become base, and each fact's generation grows.
UPDATE {table}
SET base = CASE WHEN jsonb_typeof(base) = 'object' THEN base ELSE '{{}}' END || %(settles)s || jsonb_build_object(
    'generations',
    coalesce(base -> 'generations', '{{}}') || coalesce((
        SELECT jsonb_object_agg(fact, coalesce((base #>> ARRAY['generations', fact])::integer, 0) + 1)
        FROM unnest(%(facts)s::text[]) AS fact
    ), '{{}}')
)
WHERE {key} = %(record)s
