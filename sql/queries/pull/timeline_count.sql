-- How many living timeline entries production holds.
SELECT count(*) FROM gazelle_timeline_entries WHERE deleted_at IS NULL AND NOT is_stub
