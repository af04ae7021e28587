-- Which of some tables are not there.
SELECT wanted.name
FROM unnest(%(tables)s::text[]) AS wanted (name)
WHERE to_regclass('public.' || wanted.name) IS NULL
