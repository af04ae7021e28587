-- Rows of an edit table that cannot be assigned to one record: several rows name the same one, or none is named.
SELECT {key}, count(*)
FROM {table}
GROUP BY {key}
HAVING count(*) > 1 OR {key} IS NULL
ORDER BY count(*) DESC, {key}
