-- Which of the given roles exist.
SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY (%(roles)s) ORDER BY rolname
