-- How many living timeline entries production holds of each Montreal day.
-- (The first hours of year 1 are the year before in Montreal, which Python cannot say: see clock.py.)
SELECT greatest((occurred_at AT TIME ZONE 'America/Toronto')::date, '0001-01-01'), count(*)
FROM gazelle_timeline_entries
WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
GROUP BY 1
