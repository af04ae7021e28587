-- Of one entity's own table: the living rows.
SELECT count(*) FROM {table} WHERE deleted_at IS NULL
