-- Rows that were deleted here and whose records are to end, and of how many rows that are or were at Gazelle.
SELECT
    coalesce(array_agg(local_id) FILTER (WHERE deleted_at IS NOT NULL), '{{}}'),
    count(*)
FROM push_state
WHERE source_table = {source} AND external_id IS NOT NULL AND NOT starts_with(external_id, {imported})
