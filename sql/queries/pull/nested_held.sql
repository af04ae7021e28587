-- Living nested rows of these records, and the record (or nested row) in whose list each lies. What goes with another
-- record that is deleted is that one's affair.
SELECT held.{owner}, held.external_id, held.{parent}
FROM {table} AS held
WHERE held.{owner} = ANY (%s) AND held.deleted_at IS NULL AND {lives}
