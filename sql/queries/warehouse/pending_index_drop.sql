-- The statement that drops the index of pending rows, if the index exists.
SELECT format('DROP INDEX %%s', i.indexrelid::regclass)
FROM pg_index AS i
WHERE i.indrelid = %(staging)s::regclass AND i.indpred IS NOT NULL
