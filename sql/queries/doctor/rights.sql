-- Which of our tables this role may not write, and whether it may make tables at all.
SELECT
    has_schema_privilege('public', 'CREATE') AS may_create,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary,
    ARRAY(
        SELECT c.relname::text
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p')
            AND c.relname = ANY (%(tables)s)
            AND NOT (
                has_table_privilege(c.oid, 'SELECT')
                AND has_table_privilege(c.oid, 'INSERT')
                AND has_table_privilege(c.oid, 'UPDATE')
                AND has_table_privilege(c.oid, 'DELETE')
            )
        ORDER BY c.relname
    ) AS refused
