-- What is left of rows that were deleted here, and whose records are to end. What only an older system knows has none.
SELECT
    s.local_id, CASE WHEN NOT starts_with(s.external_id, {imported}) THEN s.external_id END, s.deleted_at, s.revision, s.attempts
FROM push_state AS s
WHERE s.source_table = {source} AND s.deleted_at IS NOT NULL AND s.local_id = ANY (%(ids)s::text[])
