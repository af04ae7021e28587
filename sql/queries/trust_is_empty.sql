-- Whether a table holds no row at all.
SELECT NOT EXISTS (SELECT FROM {table})
