-- A revision and a generation are each used once, whatever becomes of a row: one that is deleted and inserted again, or
-- that speaks of another record from now on, counts on. Both come from one sequence. Its trigger function has rights of
-- its own, so that whoever may edit the table needs none on the sequence.
--
-- `edited_at` is when the edit arrived, by the database's clock: what `updated_at` says may come from the clock of the
-- program that edits, and dates what is sent.

CREATE SEQUENCE IF NOT EXISTS gazelle.edit_number AS bigint;
COMMENT ON SEQUENCE gazelle.edit_number IS 'Revisions of rows of edits, and generations of what both sides agreed on.';

ALTER TABLE public.vincent_dindy_piano_updates ADD COLUMN IF NOT EXISTS edited_at timestamptz;
COMMENT ON COLUMN public.vincent_dindy_piano_updates.edited_at IS
    'When the edit arrived, by the database''s clock: the later edit of two wins by it.';
COMMENT ON COLUMN public.vincent_dindy_piano_updates.revision IS 'Another one with every edit; none is used twice.';

-- Above every revision and every generation of now: each generation of old took a row of the log. A number that somebody
-- wrote in by hand leaves room.
SELECT setval(
    'gazelle.edit_number',
    greatest(
        (SELECT last_value FROM gazelle.edit_number),
        (SELECT max(revision) FROM public.vincent_dindy_piano_updates WHERE revision < 4000000000000000000),
        (SELECT count(*) FROM public.sync_gazelle_logs),
        (
            SELECT max((generation.count #>> '{}')::bigint)
            FROM public.vincent_dindy_piano_updates AS t
            CROSS JOIN LATERAL jsonb_each(
                CASE WHEN jsonb_typeof(t.base -> 'generations') = 'object' THEN t.base -> 'generations' ELSE '{}' END
            ) AS generation (fact, count)
            WHERE generation.count #>> '{}' ~ '^[0-9]{1,18}$'
        )
    )
);

CREATE OR REPLACE FUNCTION public.gazelle_mark_edit() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    after CONSTANT jsonb := to_jsonb(NEW);
    before jsonb;
    edited boolean := false;
BEGIN
    IF current_setting('gazelle_sync.pushing', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.updated_at := least(coalesce(NEW.updated_at, clock_timestamp()), clock_timestamp());
    ELSE
        before := to_jsonb(OLD);
        IF after -> TG_ARGV[0] IS DISTINCT FROM before -> TG_ARGV[0] THEN
            -- Nothing of what was agreed on with the first record holds for the other.
            edited := true;
            NEW.base := NULL;
            NEW.last_synced_at := NULL;
        END IF;
        FOR place IN 1 .. TG_NARGS - 1 LOOP
            edited := edited OR after -> TG_ARGV[place] IS DISTINCT FROM before -> TG_ARGV[place];
        END LOOP;
        IF NOT edited THEN
            IF NEW.needs_sync AND NOT coalesce(OLD.needs_sync, false) THEN
                -- Somebody asks for another try.
                NEW.sync_attempts := 0;
                NEW.next_attempt_at := NULL;
            END IF;
            RETURN NEW;
        END IF;
        -- An app that works off-line says itself when the edit was made; a clock that runs ahead is not believed.
        NEW.updated_at := CASE
            WHEN NEW.updated_at IS NULL OR NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN clock_timestamp()
            ELSE least(NEW.updated_at, clock_timestamp())
        END;
    END IF;
    NEW.revision := nextval('gazelle.edit_number');
    NEW.edited_at := clock_timestamp();
    NEW.needs_sync := true;
    NEW.sync_error := NULL;
    NEW.sync_attempts := 0;
    NEW.next_attempt_at := NULL;
    PERFORM pg_notify('gazelle_push', left(TG_TABLE_NAME || ' ' || coalesce(after ->> TG_ARGV[0], ''), 1000));
    RETURN NEW;
END
$$;

DO $$
DECLARE
    runs_as name;
    visitor name;
BEGIN
    -- A hosted database may grant new sequences and functions to everybody by default.
    REVOKE ALL ON SEQUENCE gazelle.edit_number FROM PUBLIC;
    REVOKE ALL ON FUNCTION public.gazelle_mark_edit() FROM PUBLIC;
    FOR visitor IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE gazelle.edit_number FROM %I', visitor);
        EXECUTE format('REVOKE ALL ON FUNCTION public.gazelle_mark_edit() FROM %I', visitor);
    END LOOP;
    -- The function runs with the rights of its owner, who may be another than whoever runs this file.
    SELECT pg_catalog.pg_get_userbyid(proowner) INTO runs_as
    FROM pg_catalog.pg_proc
    WHERE oid = 'public.gazelle_mark_edit()'::regprocedure;
    EXECUTE format('GRANT USAGE ON SCHEMA gazelle TO %I', runs_as);
    EXECUTE format('GRANT USAGE ON SEQUENCE gazelle.edit_number TO %I', runs_as);
    FOR visitor IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('gazelle_writer', 'gazelle_owner') LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE gazelle.edit_number TO %I', visitor);
    END LOOP;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Not every right was given: %', SQLERRM;
END
$$;
