-- Living rows without a staged version.
SELECT held.external_id
FROM {table} AS held
WHERE held.deleted_at IS NULL
    AND NOT starts_with(held.external_id, 'v4_')
    AND NOT held.is_stub
    AND NOT EXISTS (SELECT FROM {staging} AS s WHERE s.external_id = held.{key} AND s.rejected_at IS NULL)
