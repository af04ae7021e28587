-- The index of what waits, if it is there, as the statement that drops it.
SELECT format('DROP INDEX %%s', i.indexrelid::regclass)
FROM pg_index AS i
WHERE i.indrelid = %(staging)s::regclass AND i.indpred IS NOT NULL
