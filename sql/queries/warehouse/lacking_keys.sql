-- Which of the given foreign keys (of a column, to a table) and indexes of schema public do not exist.
SELECT 'the foreign key ' || wanted.name || '.' || wanted.key
FROM unnest(%(tables)s::text[], %(columns)s::text[], %(parents)s::text[]) WITH ORDINALITY
    AS wanted (name, key, parent, place)
WHERE NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_constraint AS c
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.contype = 'f'
        AND c.conrelid = to_regclass('public.' || wanted.name)
        AND c.confrelid = to_regclass('public.' || wanted.parent)
        AND a.attname = wanted.key
)
UNION ALL
SELECT 'the index ' || wanted.name
FROM unnest(%(indexes)s::text[]) AS wanted (name)
WHERE to_regclass('public.' || wanted.name) IS NULL
