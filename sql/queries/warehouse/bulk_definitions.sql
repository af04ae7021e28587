-- For each foreign key and each plain index of some tables: the statement that drops it, and the one that makes it
-- again. Indexes come first, since a foreign key is checked faster with them.
-- A foreign key to a table outside the list stays: dropping it would lock that table too, which others read.
SELECT format('DROP INDEX %%s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::text[]::regclass[]) AND NOT i.indisunique AND NOT i.indisprimary
UNION ALL
SELECT
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname),
    format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c
WHERE c.conrelid = ANY (%(tables)s::text[]::regclass[])
    AND c.confrelid = ANY (%(tables)s::text[]::regclass[])
    AND c.contype = 'f'
