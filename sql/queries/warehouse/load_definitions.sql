-- For each plain index of some tables and each foreign key among them: its table, the one that it points to, the statement
-- that drops it, and the one that makes it again. A foreign key that points to another table stays: to drop it locks that
-- one as well. Indexes come first, since a foreign key is checked faster with them. That of a staging table is of what is
-- not processed: a load leaves next to nothing there, and to make it again reads every body.
SELECT i.indrelid::regclass::text, NULL, format('DROP INDEX %%s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::text[]::regclass[])
    AND NOT i.indisunique
    AND NOT i.indisprimary
    AND NOT starts_with(i.indrelid::regclass::text, 'staging_')
UNION ALL
SELECT
    c.conrelid::regclass::text,
    c.confrelid::regclass::text,
    format('ALTER TABLE %%s DROP CONSTRAINT %%I', c.conrelid::regclass, c.conname),
    format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
FROM pg_constraint AS c
WHERE c.conrelid = ANY (%(tables)s::text[]::regclass[])
    AND c.confrelid = ANY (%(tables)s::text[]::regclass[])
    AND c.contype = 'f'
