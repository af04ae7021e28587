-- Which of some tables are there, whether row-level security hides rows of each from this role, and the role's name.
-- The catalogue's rows, not to_regclass(): who waited for a lock has a name cache that still says "no such table".
SELECT c.relname::text, row_security_active(c.oid), quote_ident(current_user)
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s)
