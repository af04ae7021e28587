-- Imported timeline entries (tle_) that duplicate the API's own (tme_) and are not marked, and those marked as
-- duplicates of an entry which is not there.
SELECT e.external_id, own.external_id, true
FROM gazelle_timeline_entries AS e
CROSS JOIN LATERAL (
    SELECT t.external_id
    FROM gazelle_timeline_entries AS t
    WHERE t.client_external_id = e.client_external_id
        AND t.occurred_at = e.occurred_at
        AND t.external_id LIKE E'tme\\_%%'
        AND t.deleted_at IS NULL
        AND t.piano_external_id IS NOT DISTINCT FROM e.piano_external_id
        AND t.entry_type IS NOT DISTINCT FROM e.entry_type
        AND t.title IS NOT DISTINCT FROM e.title
        AND t.description IS NOT DISTINCT FROM e.description
    LIMIT 1
) AS own
WHERE e.external_id LIKE E'tle\\_%%' AND e.deleted_at IS NULL AND e.duplicate_of IS NULL
UNION ALL
SELECT e.external_id, e.duplicate_of, false
FROM gazelle_timeline_entries AS e
LEFT JOIN gazelle_timeline_entries AS own ON own.external_id = e.duplicate_of
WHERE e.duplicate_of IS NOT NULL AND (own.external_id IS NULL OR own.deleted_at IS NOT NULL)
