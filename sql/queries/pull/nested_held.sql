-- Living nested rows of these records, and the record (or nested row) in whose list each is. Those that are deleted
-- with another record are left out.
SELECT held.{owner}, held.external_id, held.{parent}
FROM {table} AS held
WHERE held.{owner} = ANY (%s) AND held.deleted_at IS NULL AND NOT starts_with(held.external_id, 'v4_') AND {lives}
