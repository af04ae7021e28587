-- Gazelle's row takes the integer id of the imported one, which is gone.
UPDATE {table} AS held
SET id = match.id
FROM unnest(%(new)s::text[], %(ids)s::bigint[]) AS match (new_id, id)
WHERE held.external_id = match.new_id
