-- The distinct values of a column, how often each occurs, and a row that has it.
SELECT {column}, count(*), min(external_id)
FROM {table}
WHERE {column} IS NOT NULL AND NOT starts_with(external_id, 'v4_')
GROUP BY 1
