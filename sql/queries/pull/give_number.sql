-- Gazelle's row takes the integer id of the imported one, which is gone.
UPDATE {table} AS held
SET id = way.id
FROM unnest(%(new)s::text[], %(ids)s::bigint[]) AS way (new_id, id)
WHERE held.external_id = way.new_id
