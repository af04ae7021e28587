-- How many living timeline entries production holds of each Montreal day since one, and of all days before it (null).
-- What lies outside the calendar (1900 to 2199) counts on its first and last day.
SELECT CASE WHEN day >= coalesce(%(since)s::date, '-infinity') THEN day END, sum(entries)::bigint
FROM (
    SELECT
        (
            least(greatest(occurred_at, '1900-01-01 00:00+00'), '2200-01-01 00:00+00') AT TIME ZONE 'America/Toronto'
        )::date AS day,
        count(*) AS entries
    FROM gazelle_timeline_entries
    WHERE deleted_at IS NULL AND NOT is_stub
    GROUP BY 1
) AS days
GROUP BY 1
