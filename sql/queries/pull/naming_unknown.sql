-- Records whose rows name a record that has no row, or only a stub.
SELECT held.{key}
FROM {table} AS held
LEFT JOIN {parent} AS named ON named.external_id = held.{column}
WHERE held.{column} IS NOT NULL
    AND NOT starts_with(held.external_id, 'v4_')
    AND (named.external_id IS NULL OR named.is_stub)
