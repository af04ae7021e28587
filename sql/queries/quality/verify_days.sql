-- How many living timeline entries production holds of each Montreal day, counted by its rows; null: without an instant.
SELECT (occurred_at AT TIME ZONE 'America/Toronto')::date, count(*)
FROM gazelle_timeline_entries
WHERE deleted_at IS NULL AND NOT is_stub AND NOT starts_with(external_id, 'v4_')
GROUP BY 1
