-- Which of the given tables exist, whether row-level security hides rows of each from this role, and the role's name.
-- Not by to_regclass(): after waiting for a lock, a session's name cache may still say that a table does not exist.
SELECT c.relname::text, row_security_active(c.oid), quote_ident(current_user)
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(tables)s)
