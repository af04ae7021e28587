-- Which of some tables and views are not there.
SELECT wanted.name
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS wanted (name, place)
WHERE to_regclass(CASE WHEN position('.' IN wanted.name) = 0 THEN 'public.' ELSE '' END || wanted.name) IS NULL
ORDER BY wanted.place
