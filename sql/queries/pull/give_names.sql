-- What named a record under its old id names Gazelle's.
UPDATE {table} AS held
SET {column} = way.new_id
FROM unnest(%(old)s::text[], %(new)s::text[]) AS way (old_id, new_id)
WHERE held.{column} = way.old_id
