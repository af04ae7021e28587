-- The tables, views, sequences and functions to which the roles of a hosted database's Data API have any right. Tables
-- with row-level security do not count for authenticated: somebody has decided who may read them.
SELECT r.rolname::text, found.name
FROM pg_catalog.pg_roles AS r
CROSS JOIN LATERAL (
    SELECT c.relname::text AS name
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace
        AND c.relkind IN ('r', 'p', 'v', 'm')
        AND c.relname = ANY (%(relations)s)
        AND NOT (c.relrowsecurity AND r.rolname = 'authenticated')
        AND (
            has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
            OR has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
        )
    UNION ALL
    SELECT s.relname::text
    FROM pg_catalog.pg_depend AS d
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
    INNER JOIN pg_catalog.pg_class AS s ON s.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass
        AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i')
        AND c.relnamespace = 'public'::regnamespace
        AND c.relname = ANY (%(relations)s)
        AND NOT (c.relrowsecurity AND r.rolname = 'authenticated')
        AND CASE s.relkind WHEN 'S' THEN has_sequence_privilege(r.oid, s.oid, 'USAGE, SELECT, UPDATE') ELSE false END
    UNION ALL
    SELECT p.proname || '()'
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'public'::regnamespace
        AND %(functions)s
        AND starts_with(p.proname, 'gazelle_')
        AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
) AS found
WHERE r.rolname = ANY (%(roles)s) AND has_schema_privilege(r.oid, 'public', 'USAGE')
ORDER BY r.rolname, found.name
