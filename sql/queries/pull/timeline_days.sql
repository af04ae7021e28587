-- How many living timeline entries production holds of each Montreal day.
SELECT (occurred_at AT TIME ZONE 'America/Toronto')::date, count(*)
FROM gazelle_timeline_entries
WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
GROUP BY 1
