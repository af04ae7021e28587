-- Rows that no staged version speaks of and that nothing names.
DELETE FROM {table} AS held
WHERE NOT EXISTS (SELECT FROM {staging} AS s WHERE s.external_id = held.{staged_id} AND s.rejected_at IS NULL)
    AND NOT ({is_named})
