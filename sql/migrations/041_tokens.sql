-- The OAuth token where no file can be kept (GAZELLE_TOKEN_STORE=database): encrypted, one row an API. Nobody but the
-- sync may see it, encrypted or not.

CREATE TABLE IF NOT EXISTS public.sync_tokens (
    api_url text PRIMARY KEY,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.sync_tokens IS
    'The OAuth token of an API, encrypted with GAZELLE_TOKEN_KEY; empty where the token is in a file.';
COMMENT ON COLUMN public.sync_tokens.sealed IS 'The OAuth answer as JSON, encrypted (Fernet).';
COMMENT ON COLUMN public.sync_tokens.created_at IS 'When Gazelle gave it.';

DO $$
BEGIN
    IF (
        SELECT count(*) < 3
        FROM pg_catalog.pg_roles
        WHERE rolname IN ('gazelle_reader', 'gazelle_writer', 'gazelle_owner')
    ) THEN
        RAISE NOTICE 'Nothing was granted: the three roles do not all exist.';
        RETURN;
    END IF;
    GRANT ALL ON public.sync_tokens TO gazelle_owner;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.sync_tokens TO gazelle_writer;
    ALTER TABLE public.sync_tokens OWNER TO gazelle_owner;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Not every right was given: %', SQLERRM;
END
$$;

SELECT gazelle.close_data_api('public.sync_tokens');
