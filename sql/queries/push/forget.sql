-- Rows that were deleted here, with whose records nothing more is to be done.
DELETE FROM push_state AS s
USING jsonb_to_recordset(%(given)s) AS d (local_id text, revision bigint)
WHERE s.source_table = {source} AND s.local_id = d.local_id AND s.revision = d.revision AND s.deleted_at IS NOT NULL
