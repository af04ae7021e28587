-- External ids that are in a table more than once, or null.
SELECT external_id, count(*)
FROM {table}
GROUP BY external_id
HAVING count(*) > 1 OR external_id IS NULL
ORDER BY 2 DESC, 1
