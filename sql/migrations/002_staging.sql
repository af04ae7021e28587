-- What Gazelle sent, as it came: one table an entity, one row a version of a record. Production can be made again from
-- these rows alone, without one call to the API.

CREATE TABLE IF NOT EXISTS public.staging_users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    external_id text NOT NULL,
    raw_data jsonb NOT NULL,
    fetched_at timestamptz NOT NULL,
    sync_status text NOT NULL DEFAULT 'pending' CHECK (sync_status IN ('pending', 'processed', 'error')),
    error_message text,
    error_stack text,
    content_hash bytea,
    gazelle_updated_at timestamptz,
    run_id text,
    attempts integer NOT NULL DEFAULT 0,
    processed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    is_unsettled boolean NOT NULL DEFAULT false,
    is_unlisted boolean NOT NULL DEFAULT false,
    rejected_at timestamptz,
    replaced_characters integer NOT NULL DEFAULT 0,
    UNIQUE (external_id, fetched_at)
);

-- Nearly every row is processed: what is left to do is found in an index of its own size.
CREATE INDEX IF NOT EXISTS staging_users_unprocessed
    ON public.staging_users (external_id, fetched_at)
    WHERE sync_status <> 'processed';

COMMENT ON COLUMN public.staging_users.raw_data IS
    'The body as Gazelle sent it. JSON null is a tombstone: Gazelle no longer has the record.';
COMMENT ON COLUMN public.staging_users.fetched_at IS
    'When it was read. The newest version of a record is the one that counts; its updatedAt may go back or be null.';
COMMENT ON COLUMN public.staging_users.sync_status IS 'pending, processed or error (see error_message).';
COMMENT ON COLUMN public.staging_users.content_hash IS 'Hash of the body: an unchanged body is not stored twice.';
COMMENT ON COLUMN public.staging_users.gazelle_updated_at IS 'The updatedAt of the body, null where it has none.';
COMMENT ON COLUMN public.staging_users.run_id IS 'The run that read it.';
COMMENT ON COLUMN public.staging_users.attempts IS 'How often its rows were tried on the production tables.';
COMMENT ON COLUMN public.staging_users.is_unsettled IS
    'It changed in the very second in which it was read: a stamp of whole seconds cannot tell whether it changed again.';
COMMENT ON COLUMN public.staging_users.is_unlisted IS
    'Absent from the list of its kind, yet Gazelle answered for it by id (a cancelled visit, say).';
COMMENT ON COLUMN public.staging_users.rejected_at IS
    'When the guard against mass emptying set this body aside. It does not count as held and is never replayed.';
COMMENT ON COLUMN public.staging_users.replaced_characters IS
    'How many NUL characters and lone surrogates became U+FFFD, because jsonb cannot hold them.';

-- One shape, seven tables. LIKE copies columns, defaults, checks, indexes and comments.
DO $$
DECLARE
    entity text;
BEGIN
    FOREACH entity IN ARRAY ARRAY['products', 'clients', 'pianos', 'invoices', 'appointments', 'timeline'] LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS public.%I (LIKE public.staging_users INCLUDING ALL)', 'staging_' || entity
        );
    END LOOP;
END
$$;

COMMENT ON TABLE public.staging_users IS 'Users as Gazelle sent them, one row a version.';
COMMENT ON TABLE public.staging_products IS 'Products (master service items) as Gazelle sent them, one row a version.';
COMMENT ON TABLE public.staging_clients IS
    'Clients as Gazelle sent them, contacts and locations inside, one row a version.';
COMMENT ON TABLE public.staging_pianos IS 'Pianos as Gazelle sent them, measurements inside, one row a version.';
COMMENT ON TABLE public.staging_invoices IS 'Invoices as Gazelle sent them, items inside, one row a version.';
COMMENT ON TABLE public.staging_appointments IS
    'Calendar events as Gazelle sent them, their pianos inside, one row a version.';
COMMENT ON TABLE public.staging_timeline IS 'Timeline entries as Gazelle sent them, one row a version.';
