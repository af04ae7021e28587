-- Rows of a table of edits that nobody can assign: several for one record, or none named.
SELECT {key}, count(*)
FROM {table}
GROUP BY {key}
HAVING count(*) > 1 OR {key} IS NULL
ORDER BY count(*) DESC, {key}
