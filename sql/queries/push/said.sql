-- The newest action that is still at Gazelle and settles a fact, for each of some facts of a record; only those that came
-- before a row of the log, where one is given, and none of those that are being taken back.
SELECT DISTINCT ON (facts.fact) facts.fact, l.request
FROM unnest(%(facts)s::text[]) AS facts (fact)
INNER JOIN sync_gazelle_logs AS l ON jsonb_exists(l.request -> 'settles', facts.fact)
WHERE l.piano_id = %(record)s AND l.source_table = {source} AND l.status = 'success' AND l.undone_at IS NULL
    AND left(l.action, 5) <> 'undo_'
    AND l.id <> ALL (%(but)s::bigint[])
    AND (%(before_id)s::bigint IS NULL OR l.id < %(before_id)s::bigint)
ORDER BY facts.fact, l.id DESC
