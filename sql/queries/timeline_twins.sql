-- An imported entry (tle_) and the API's own (tme_) can be the same note twice: the tle_ one names the other.
-- Looks at the given (client, instant) pairs, or at all entries where none are given.
WITH imported AS (
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.entry_type, e.title,
        e.description, e.duplicate_of
    FROM gazelle_timeline_entries AS e
    WHERE e.external_id LIKE 'tle\_%%'
        AND (
            %(clients)s::text[] IS NULL
            OR (e.client_external_id, e.occurred_at) IN (
                SELECT * FROM unnest(%(clients)s::text[], %(instants)s::timestamptz[])
            )
        )
),
twins AS (
    SELECT i.external_id, i.duplicate_of, min(own.external_id) AS twin
    FROM imported AS i
    LEFT JOIN gazelle_timeline_entries AS own
        ON own.client_external_id = i.client_external_id
        AND own.occurred_at = i.occurred_at
        AND own.external_id LIKE 'tme\_%%'
        AND own.deleted_at IS NULL
        AND own.piano_external_id IS NOT DISTINCT FROM i.piano_external_id
        AND own.entry_type IS NOT DISTINCT FROM i.entry_type
        AND own.title IS NOT DISTINCT FROM i.title
        AND own.description IS NOT DISTINCT FROM i.description
    GROUP BY i.external_id, i.duplicate_of
)
UPDATE gazelle_timeline_entries AS e
SET duplicate_of = twins.twin, synced_at = now()
FROM twins
WHERE e.external_id = twins.external_id AND twins.duplicate_of IS DISTINCT FROM twins.twin
