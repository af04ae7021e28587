-- Which of some entries Gazelle has too: of the same client and piano, on the same day in Montreal, with the same words.
SELECT r.old_id, own.external_id
FROM json_to_recordset(%(rows)s::json) AS r (old_id text, client text, piano text, occurred_at timestamptz, words text)
CROSS JOIN LATERAL (
    SELECT date_trunc('day', r.occurred_at AT TIME ZONE 'America/Toronto') AS begins
) AS day
CROSS JOIN LATERAL (
    SELECT e.external_id
    FROM gazelle_timeline_entries AS e
    WHERE e.client_external_id = r.client
        AND e.occurred_at >= day.begins AT TIME ZONE 'America/Toronto'
        AND e.occurred_at < (day.begins + interval '1 day') AT TIME ZONE 'America/Toronto'
        AND NOT starts_with(e.external_id, 'v4_')
        AND e.deleted_at IS NULL
        AND e.duplicate_of IS NULL
        AND e.piano_external_id IS NOT DISTINCT FROM r.piano
        AND coalesce(
            nullif(btrim(regexp_replace(lower(e.description), E'\\s+', ' ', 'g')), ''),
            btrim(regexp_replace(lower(e.title), E'\\s+', ' ', 'g'))
        ) = r.words
    ORDER BY e.external_id
    LIMIT 1
) AS own
