-- A hosted database (Supabase) gives its roles anon and authenticated every right to each new table, sequence and function
-- of schema public. `gazelle_sync` takes them from what a migration makes, in the migration's own transaction. This file
-- does the same for what earlier versions left open: sequences and functions. vincent_dindy_piano_updates is left as it
-- is, since a program may use it: `gazelle-sync migrate` and `gazelle-sync doctor` name it where it is open.

-- The sequences that belong to a table go with it.
CREATE OR REPLACE FUNCTION gazelle.close_data_api(VARIADIC relations regclass[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    relation regclass;
    kind text;
    visitor text;
BEGIN
    FOR relation, kind, visitor IN
        SELECT c.oid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, r.rolname
        FROM pg_catalog.pg_class AS c
        CROSS JOIN pg_catalog.pg_roles AS r
        WHERE r.rolname IN ('anon', 'authenticated')
            AND NOT c.relrowsecurity
            AND (
                c.oid = ANY (relations)
                OR c.oid IN (
                    SELECT d.objid
                    FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass
                        AND d.refclassid = 'pg_class'::regclass
                        AND d.deptype IN ('a', 'i')
                        AND d.refobjid = ANY (relations)
                )
                AND c.relkind = 'S'
            )
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %I', kind, relation, visitor);
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'The Data API stays open: %', SQLERRM;
END
$$;

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

-- Functions are for whoever writes the tables; PUBLIC may call new ones unless it is told otherwise.
DO $$
DECLARE
    ours regprocedure;
    who text;
BEGIN
    FOR ours IN
        SELECT p.oid
        FROM pg_catalog.pg_proc AS p
        WHERE (p.pronamespace = 'public'::regnamespace AND p.proname ~ '^gazelle_') OR p.pronamespace = 'gazelle'::regnamespace
    LOOP
        FOR who IN
            SELECT 'PUBLIC'
            UNION ALL
            SELECT quote_ident(rolname) FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated')
        LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', ours, who);
        END LOOP;
        FOR who IN
            SELECT quote_ident(r.rolname)
            FROM pg_catalog.pg_roles AS r
            WHERE r.rolname IN ('gazelle_writer', 'gazelle_owner')
            UNION
            SELECT a.grantee::regrole::text
            FROM pg_catalog.pg_class AS c
            CROSS JOIN LATERAL aclexplode(c.relacl) AS a
            WHERE c.oid = 'public.gazelle_clients'::regclass
                AND a.privilege_type = 'INSERT'
                AND a.grantee <> 0
                AND a.grantee::regrole::text NOT IN ('anon', 'authenticated')
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', ours, who);
        END LOOP;
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'The functions keep their rights: %', SQLERRM;
END
$$;

-- gazelle_reader sees no raw body: what was sent to Gazelle, what it answered and what it held before are bodies too, and
-- a message may quote them. A column that is added later is not granted.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gazelle_reader') THEN
        RETURN;
    END IF;
    REVOKE SELECT ON public.sync_gazelle_logs FROM gazelle_reader;
    GRANT SELECT (
        id, entity, piano_id, action, field, status, attempts, run_id, created_at, synced_at, doubt_until, undone_at
    ) ON public.sync_gazelle_logs TO gazelle_reader;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'The rights of gazelle_reader stay: %', SQLERRM;
END
$$;

-- When a table is dropped with CASCADE, the foreign keys of others that pointed to it go too, and CREATE TABLE IF NOT
-- EXISTS does not bring them back. They come back NOT VALID: a table that was made again is empty until a replay.
DO $$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        SELECT wanted.*
        FROM (
            VALUES
                ('gazelle_clients', 'preferred_technician_external_id', 'gazelle_users', ''),
                ('gazelle_contacts', 'client_external_id', 'gazelle_clients', 'ON DELETE CASCADE'),
                ('gazelle_locations', 'contact_external_id', 'gazelle_contacts', 'ON DELETE CASCADE'),
                ('gazelle_locations', 'client_external_id', 'gazelle_clients', 'ON DELETE CASCADE'),
                ('gazelle_pianos', 'client_external_id', 'gazelle_clients', ''),
                ('gazelle_piano_measurements', 'piano_external_id', 'gazelle_pianos', 'ON DELETE CASCADE'),
                ('gazelle_invoices', 'client_external_id', 'gazelle_clients', ''),
                ('gazelle_invoices', 'contact_external_id', 'gazelle_contacts', ''),
                ('gazelle_invoices', 'assigned_to_external_id', 'gazelle_users', ''),
                ('gazelle_invoice_items', 'invoice_external_id', 'gazelle_invoices', 'ON DELETE CASCADE'),
                ('gazelle_invoice_items', 'piano_external_id', 'gazelle_pianos', ''),
                ('gazelle_invoice_items', 'product_external_id', 'gazelle_products', ''),
                ('gazelle_appointments', 'client_external_id', 'gazelle_clients', ''),
                ('gazelle_appointments', 'piano_external_id', 'gazelle_pianos', ''),
                ('gazelle_appointments', 'technician_external_id', 'gazelle_users', ''),
                ('gazelle_appointment_pianos', 'appointment_external_id', 'gazelle_appointments', 'ON DELETE CASCADE'),
                ('gazelle_appointment_pianos', 'piano_external_id', 'gazelle_pianos', ''),
                ('gazelle_timeline_entries', 'client_external_id', 'gazelle_clients', ''),
                ('gazelle_timeline_entries', 'piano_external_id', 'gazelle_pianos', ''),
                ('gazelle_timeline_entries', 'user_external_id', 'gazelle_users', ''),
                ('gazelle_timeline_entries', 'invoice_external_id', 'gazelle_invoices', '')
        ) AS wanted (name, key, parent, action)
        WHERE NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_constraint AS c
            INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
            WHERE c.contype = 'f'
                AND c.conrelid = format('public.%I', wanted.name)::regclass
                AND c.confrelid = format('public.%I', wanted.parent)::regclass
                AND a.attname = wanted.key
        )
    LOOP
        EXECUTE format(
            'ALTER TABLE public.%I ADD FOREIGN KEY (%I) REFERENCES public.%I (external_id) %s NOT VALID',
            lost.name, lost.key, lost.parent, lost.action
        );
    END LOOP;
END
$$;
