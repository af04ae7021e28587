-- Records that Gazelle names and cannot give: they have no staged version to be in error, and a person must see them.

CREATE TABLE IF NOT EXISTS public.sync_unreadable (
    entity text NOT NULL,
    external_id text NOT NULL,
    error_message text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 1,
    run_id text,
    PRIMARY KEY (entity, external_id)
);
COMMENT ON TABLE public.sync_unreadable IS
    'Records that could not be read by id in the newest run that tried; each run tries them again.';

DO $$
BEGIN
    GRANT ALL ON public.sync_unreadable TO gazelle_owner;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.sync_unreadable TO gazelle_writer;
    ALTER TABLE public.sync_unreadable OWNER TO gazelle_owner;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN
        RAISE NOTICE 'sync_unreadable stays with %: %', current_user, SQLERRM;
END
$$;

-- They join the view that says what is broken and why. Its other branches stay as 005_views.sql wrote them.
DO $$
DECLARE
    held text := rtrim(pg_get_viewdef('public.v_sync_errors'::regclass), '; ');
BEGIN
    IF held NOT LIKE '%sync_unreadable%' THEN
        EXECUTE 'CREATE OR REPLACE VIEW public.v_sync_errors AS ' || held || '
            UNION ALL
            SELECT u.entity, u.external_id, u.last_seen_at, u.error_message, u.attempts, NULL::timestamptz,
                NULL::text, u.run_id
            FROM public.sync_unreadable AS u';
    END IF;
END
$$;
