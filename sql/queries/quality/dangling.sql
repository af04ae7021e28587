-- Rows that name a record which has no row.
SELECT naming.external_id, naming.{column}
FROM {table} AS naming
WHERE naming.{column} IS NOT NULL
    AND NOT EXISTS (SELECT FROM {parent} AS named WHERE named.external_id = naming.{column})
ORDER BY naming.external_id
