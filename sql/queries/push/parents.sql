-- Rows by their keys, and of which an undo took the record back: they wait for nothing, and make one once they are edited.
SELECT {local} AS local_id, {record} IS NULL AND NOT coalesce(t.needs_sync, false) AND t.sync_error IS NULL AS is_taken_back
FROM {table} AS t
