-- What an imported note says is what Gazelle's says; not where that one has been read already: the next scan sees to it.
UPDATE {table} AS held
SET {column} = match.new_id
FROM unnest(%(old)s::text[], %(new)s::text[]) AS match (old_id, new_id)
WHERE held.{column} = match.old_id
    AND NOT EXISTS (
        SELECT
        FROM {table} AS own
        WHERE own.{column} = match.new_id AND own.alert_type = held.alert_type
    )
