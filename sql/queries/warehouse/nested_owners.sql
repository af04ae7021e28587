-- The parent of each living row of a nested table, for given ids.
SELECT external_id, {owner} FROM {table} WHERE external_id = ANY (%s) AND deleted_at IS NULL
