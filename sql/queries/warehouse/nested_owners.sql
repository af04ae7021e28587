-- Whose living rows of a nested table these are.
SELECT external_id, {owner} FROM {table} WHERE external_id = ANY (%s) AND deleted_at IS NULL
