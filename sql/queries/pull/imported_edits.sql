-- Edits of a record under its old id are of Gazelle's now, and go there; not where that one has edits of its own.
UPDATE {table} AS held
SET {column} = match.new_id
FROM unnest(%(old)s::text[], %(new)s::text[]) AS match (old_id, new_id)
WHERE held.{column} = match.old_id AND NOT EXISTS (SELECT FROM {table} AS own WHERE own.{column} = match.new_id)
