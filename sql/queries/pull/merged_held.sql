-- Living rows of these records whose merged column holds something.
SELECT held.external_id
FROM {table} AS held
WHERE held.external_id = ANY (%s)
    AND held.deleted_at IS NULL
    AND (cardinality(held.{base}) > 0 OR (held.{base} IS NULL AND cardinality(held.{merged}) > 0))
