-- Supabase serves the tables and views of schema public over HTTP, and gives its roles anon (whoever holds the project's
-- public key) and authenticated (whoever signed up) every right to each new one. Ours hold names, addresses and notes of
-- clients: those two roles get no right to them. Elsewhere there are no such roles and nothing happens.
--
-- Left as they are: relations with row-level security, where somebody has decided who may see what, and
-- vincent_dindy_piano_updates, whose rights are the affair of the program that edits it.

-- A migration that makes tables calls this for them at its end.
CREATE OR REPLACE FUNCTION gazelle.close_data_api(VARIADIC relations regclass[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    relation regclass;
    visitor text;
BEGIN
    FOR relation, visitor IN
        SELECT c.oid, r.rolname
        FROM pg_catalog.pg_class AS c
        CROSS JOIN pg_catalog.pg_roles AS r
        WHERE c.oid = ANY (relations) AND NOT c.relrowsecurity AND r.rolname IN ('anon', 'authenticated')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', relation, visitor);
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'The Data API stays open: %', SQLERRM;
END
$$;
COMMENT ON FUNCTION gazelle.close_data_api IS
    'Take every right to these tables and views from the roles of Supabase''s Data API, where there are such roles.';

SELECT gazelle.close_data_api(VARIADIC coalesce(array_agg(c.oid::regclass), '{}'))
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace
    AND c.relkind IN ('r', 'v')
    AND (
        c.relname ~ '^(gazelle|staging|sync)_'
        OR c.relname IN (
            'system_settings', 'schema_migrations', 'alert_log', 'external_id_mapping', 'v_appointments_montreal',
            'v_piano_history', 'v_sync_dashboard', 'v_sync_errors', 'v_sync_health'
        )
    );
