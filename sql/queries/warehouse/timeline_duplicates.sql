-- The same note can exist twice, imported (tle_) and as the API's own (tme_): set duplicate_of of the imported one.
-- Reads imported entries with one of the given (client, instant) pairs and those marked as duplicates of a written entry,
-- or all of them where nothing is given. What is written is looked up entry by entry, and so are originals (LATERAL), even
-- where the planner's statistics of the table's size are wrong: no table is scanned because a few entries changed.
WITH imported AS (
    SELECT e.*
    FROM unnest(%(clients)s::text[], %(instants)s::timestamptz[]) AS said (client, instant)
    CROSS JOIN LATERAL (
        SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.entry_type, e.title,
            e.description, e.duplicate_of
        FROM gazelle_timeline_entries AS e
        WHERE e.client_external_id = said.client
            AND e.occurred_at = said.instant
            AND e.external_id LIKE E'tle\\_%%'
        OFFSET 0
    ) AS e
    UNION ALL
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.entry_type, e.title,
        e.description, e.duplicate_of
    FROM gazelle_timeline_entries AS e
    WHERE e.duplicate_of = ANY (%(written)s::text[]) AND e.external_id LIKE E'tle\\_%%'
    UNION ALL
    SELECT e.external_id, e.client_external_id, e.piano_external_id, e.occurred_at, e.entry_type, e.title,
        e.description, e.duplicate_of
    FROM gazelle_timeline_entries AS e
    WHERE %(clients)s::text[] IS NULL AND e.external_id LIKE E'tle\\_%%'
),
duplicates AS (
    SELECT i.external_id, i.duplicate_of, own.external_id AS original
    FROM imported AS i
    LEFT JOIN LATERAL (
        SELECT e.external_id
        FROM gazelle_timeline_entries AS e
        WHERE e.client_external_id = i.client_external_id
            AND e.occurred_at = i.occurred_at
            AND e.external_id LIKE E'tme\\_%%'
            AND e.deleted_at IS NULL
            AND e.piano_external_id IS NOT DISTINCT FROM i.piano_external_id
            AND e.entry_type IS NOT DISTINCT FROM i.entry_type
            AND e.title IS NOT DISTINCT FROM i.title
            AND e.description IS NOT DISTINCT FROM i.description
        ORDER BY e.external_id
        LIMIT 1
    ) AS own ON true
)
UPDATE gazelle_timeline_entries AS e
SET duplicate_of = duplicates.original, synced_at = now()
FROM duplicates
WHERE e.external_id = duplicates.external_id
    AND duplicates.duplicate_of IS DISTINCT FROM duplicates.original
    AND e.external_id = ANY (
        ARRAY(SELECT d.external_id FROM duplicates AS d WHERE d.duplicate_of IS DISTINCT FROM d.original)
    )
