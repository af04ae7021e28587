-- Which of the given triggers, of tables of schema public that exist, are not there or are disabled.
SELECT 'the trigger ' || wanted.name || ' (' || wanted.relation || ')'
FROM unnest(%(names)s::text[], %(relations)s::text[]) WITH ORDINALITY AS wanted (name, relation, place)
WHERE to_regclass('public.' || wanted.relation) IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = to_regclass('public.' || wanted.relation)
            AND t.tgname = wanted.name
            AND t.tgenabled <> 'D'
    )
ORDER BY wanted.place
