-- Foreign keys of some tables that are NOT VALID: checked for new rows, not yet for the existing ones.
SELECT c.conrelid::regclass::text, c.conname::text
FROM pg_catalog.pg_constraint AS c
WHERE c.contype = 'f' AND NOT c.convalidated AND c.conrelid = ANY (
    SELECT t.oid FROM pg_catalog.pg_class AS t
    WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (%(tables)s)
)
