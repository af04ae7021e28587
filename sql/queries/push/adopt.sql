-- Rows that wait and have no state (they were written while the triggers were off, or a row of the same key was deleted)
-- get one.
INSERT INTO push_state (source_table, local_id, external_id, revision, edited_at)
SELECT DISTINCT ON ({local}) {source}, {local}, {record}, nextval('gazelle.edit_number'), coalesce(t.updated_at, clock_timestamp())
FROM {table} AS t
WHERE (t.needs_sync OR t.sync_error IS NOT NULL)
    AND NOT EXISTS (SELECT FROM push_state AS s WHERE s.source_table = {source} AND s.local_id = {local})
ON CONFLICT DO NOTHING
