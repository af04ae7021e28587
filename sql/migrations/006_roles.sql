-- Three roles without a login, to be granted to those who log in:
--   gazelle_reader  production tables and views; no raw bodies
--   gazelle_writer  what the sync does: read and write rows, change no table
--   gazelle_owner   the tables and views themselves
-- A hosted database may not let us make roles, grant, or give tables away. That is no reason to stop: whoever runs this
-- file keeps everything then, and the notice says what was left out.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['gazelle_reader', 'gazelle_writer', 'gazelle_owner'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION
            -- Roles belong to the whole server: another database may be making the same one right now.
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN RAISE NOTICE 'Role % was not made: %', wanted, SQLERRM;
        END;
    END LOOP;
END
$$;

DO $$
DECLARE
    relation record;
    production CONSTANT text[] := ARRAY[
        'gazelle_users', 'gazelle_products', 'gazelle_clients', 'gazelle_contacts', 'gazelle_locations',
        'gazelle_pianos', 'gazelle_piano_measurements', 'gazelle_invoices', 'gazelle_invoice_items',
        'gazelle_appointments', 'gazelle_appointment_pianos', 'gazelle_timeline_entries'
    ];
    staging CONSTANT text[] := ARRAY[
        'staging_users', 'staging_products', 'staging_clients', 'staging_pianos', 'staging_invoices',
        'staging_appointments', 'staging_timeline'
    ];
    books CONSTANT text[] := ARRAY['system_settings', 'sync_logs'];
    views CONSTANT text[] := ARRAY[
        'external_id_mapping', 'v_appointments_montreal', 'v_sync_dashboard', 'v_sync_errors', 'v_sync_health',
        'v_piano_history'
    ];
    ours oid[];
BEGIN
    IF (
        SELECT count(*) < 3
        FROM pg_catalog.pg_roles
        WHERE rolname IN ('gazelle_reader', 'gazelle_writer', 'gazelle_owner')
    ) THEN
        RAISE NOTICE 'Nothing was granted: the three roles do not all exist.';
        RETURN;
    END IF;

    SELECT array_agg(c.oid)
    INTO ours
    FROM pg_catalog.pg_class AS c
    WHERE (c.relnamespace = 'gazelle'::regnamespace AND c.relkind = 'v')
        OR (
            c.relnamespace = 'public'::regnamespace
            AND c.relname = ANY (production || staging || books || views || ARRAY['schema_migrations'])
        );

    GRANT USAGE ON SCHEMA public, gazelle TO gazelle_reader, gazelle_writer;
    GRANT USAGE, CREATE ON SCHEMA public, gazelle TO gazelle_owner;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO gazelle_writer', current_database());
    FOR relation IN
        SELECT
            c.oid::regclass AS name,
            c.relkind = 'v' AS is_view,
            c.relkind <> 'v' AND c.relname = ANY (production) AS is_production,
            c.relkind <> 'v' AND c.relname <> 'schema_migrations' AS is_written
        FROM pg_catalog.pg_class AS c
        WHERE c.oid = ANY (ours)
    LOOP
        EXECUTE format('GRANT ALL ON %s TO gazelle_owner', relation.name);
        EXECUTE format('GRANT SELECT ON %s TO gazelle_writer', relation.name);
        IF relation.is_view OR relation.is_production THEN
            EXECUTE format('GRANT SELECT ON %s TO gazelle_reader', relation.name);
        END IF;
        IF relation.is_written THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO gazelle_writer', relation.name);
        END IF;
    END LOOP;

    -- Only its owner may alter a table, and PostgreSQL lets us give ours away only to a role that we belong to.
    BEGIN
        IF NOT pg_has_role(current_user, 'gazelle_owner', 'USAGE') THEN
            EXECUTE format('GRANT gazelle_owner TO %I', current_user);
        END IF;
        FOR relation IN
            SELECT c.oid::regclass AS name, CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind
            FROM pg_catalog.pg_class AS c
            WHERE c.oid = ANY (ours) AND c.relowner <> 'gazelle_owner'::regrole
        LOOP
            EXECUTE format('ALTER %s %s OWNER TO gazelle_owner', relation.kind, relation.name);
        END LOOP;
    EXCEPTION
        WHEN insufficient_privilege THEN RAISE NOTICE 'The tables stay with %: %', current_user, SQLERRM;
    END;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Nothing was granted: %', SQLERRM;
END
$$;
