-- Living rows of which staging holds no version, marked deleted because a person insists: ids and data stay, and a row
-- is revived when its record is read again.
UPDATE {table} AS held
SET deleted_at = now(), synced_at = now()
WHERE held.deleted_at IS NULL
    AND NOT starts_with(held.external_id, 'v4_')
    AND NOT EXISTS (SELECT FROM {staging} AS s WHERE s.external_id = held.{key} AND s.rejected_at IS NULL)
