-- An entry that an older system's file brought (v4_) and Gazelle's own of the same client and piano, on the same day in
-- Montreal, with the same words: set duplicate_of of the imported one. Reads imported entries around the given (client,
-- instant) pairs and those marked as duplicates of a written entry, or all of them where nothing is given.
WITH imported AS (
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.title, e.description, e.duplicate_of
    FROM unnest(%(clients)s::text[], %(instants)s::timestamptz[]) AS said (client, instant)
    CROSS JOIN LATERAL (
        SELECT date_trunc('day', said.instant AT TIME ZONE 'America/Toronto') AS begins
    ) AS day
    CROSS JOIN LATERAL (
        SELECT e.*
        FROM gazelle_timeline_entries AS e
        WHERE starts_with(e.external_id, 'v4_')
            AND e.client_external_id = said.client
            AND e.occurred_at >= day.begins AT TIME ZONE 'America/Toronto'
            AND e.occurred_at < (day.begins + interval '1 day') AT TIME ZONE 'America/Toronto'
        OFFSET 0
    ) AS e
    UNION
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.title, e.description, e.duplicate_of
    FROM gazelle_timeline_entries AS e
    WHERE e.duplicate_of = ANY (%(written)s::text[]) AND starts_with(e.external_id, 'v4_')
    UNION
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.title, e.description, e.duplicate_of
    FROM gazelle_timeline_entries AS e
    WHERE %(clients)s::text[] IS NULL AND starts_with(e.external_id, 'v4_')
),
twins AS (
    SELECT i.external_id, i.duplicate_of, own.external_id AS original
    FROM imported AS i
    CROSS JOIN LATERAL (
        SELECT
            date_trunc('day', i.occurred_at AT TIME ZONE 'America/Toronto') AS begins,
            coalesce(
                nullif(btrim(regexp_replace(lower(i.description), E'\\s+', ' ', 'g')), ''),
                btrim(regexp_replace(lower(i.title), E'\\s+', ' ', 'g'))
            ) AS words
    ) AS said
    LEFT JOIN LATERAL (
        SELECT e.external_id
        FROM gazelle_timeline_entries AS e
        WHERE e.client_external_id = i.client_external_id
            AND e.occurred_at >= said.begins AT TIME ZONE 'America/Toronto'
            AND e.occurred_at < (said.begins + interval '1 day') AT TIME ZONE 'America/Toronto'
            AND NOT starts_with(e.external_id, 'v4_')
            AND e.deleted_at IS NULL
            AND e.duplicate_of IS NULL
            AND e.piano_external_id IS NOT DISTINCT FROM i.piano_external_id
            AND coalesce(
                nullif(btrim(regexp_replace(lower(e.description), E'\\s+', ' ', 'g')), ''),
                btrim(regexp_replace(lower(e.title), E'\\s+', ' ', 'g'))
            ) = said.words
        ORDER BY e.external_id
        LIMIT 1
    ) AS own ON true
)
UPDATE gazelle_timeline_entries AS e
SET duplicate_of = twins.original, synced_at = now()
FROM twins
WHERE e.external_id = twins.external_id AND twins.duplicate_of IS DISTINCT FROM twins.original
