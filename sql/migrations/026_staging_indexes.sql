-- The index of what is not processed yet has a name of its own on every staging table: a migration can make again what
-- somebody dropped only by its name, and LIKE had named these.
DO $$
DECLARE
    entity text;
BEGIN
    FOREACH entity IN ARRAY ARRAY['products', 'clients', 'pianos', 'invoices', 'appointments', 'timeline'] LOOP
        IF to_regclass(format('public.staging_%s_unprocessed', entity)) IS NULL THEN
            EXECUTE format(
                'ALTER INDEX IF EXISTS public.staging_%1$s_external_id_fetched_at_idx RENAME TO staging_%1$s_unprocessed',
                entity
            );
        END IF;
        EXECUTE format(
            'CREATE INDEX IF NOT EXISTS staging_%1$s_unprocessed ON public.staging_%1$s (external_id, fetched_at)'
            ' WHERE sync_status <> ''processed''',
            entity
        );
    END LOOP;
END
$$;
