-- The newest action that is still at Gazelle and settles a fact, for each of some facts of a record; only those that came
-- before a row of the log, where one is given.
SELECT DISTINCT ON (facts.fact) facts.fact, l.request
FROM unnest(%(facts)s::text[]) AS facts (fact)
INNER JOIN sync_gazelle_logs AS l ON jsonb_exists(l.request -> 'settles', facts.fact)
WHERE l.piano_id = %(record)s AND l.entity = %(entity)s AND l.status = 'success' AND l.undone_at IS NULL
    AND left(l.action, 5) <> 'undo_'
    AND (%(before_id)s::bigint IS NULL OR l.id < %(before_id)s::bigint)
ORDER BY facts.fact, l.id DESC
