-- What named a record under its old id names Gazelle's.
UPDATE {table} AS held
SET {column} = match.new_id
FROM unnest(%(old)s::text[], %(new)s::text[]) AS match (old_id, new_id)
WHERE held.{column} = match.old_id
