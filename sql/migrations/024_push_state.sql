-- The state of what is pushed, one row for each row of a shop's table: what both sides last agreed on, the number of the
-- last edit, failed tries. A shop's table itself carries only needs_sync, last_synced_at and sync_error, which the shop's
-- own programs read. Triggers keep the state; gazelle.push_table() makes them for a table.

CREATE TABLE IF NOT EXISTS public.push_state (
    source_table text NOT NULL,
    local_id text NOT NULL,
    external_id text,
    revision bigint NOT NULL,
    edited_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    base jsonb,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_error text,
    deleted_at timestamptz,
    PRIMARY KEY (source_table, local_id)
);
CREATE INDEX IF NOT EXISTS push_state_record ON public.push_state (source_table, external_id);
COMMENT ON TABLE public.push_state IS 'The state of each row that is pushed to Gazelle. Kept by triggers and by the push.';
COMMENT ON COLUMN public.push_state.local_id IS 'The key of the row in its table, as text.';
COMMENT ON COLUMN public.push_state.external_id IS 'The record at Gazelle that the row speaks of; NULL: it has none yet.';
COMMENT ON COLUMN public.push_state.revision IS 'Another one with every edit; none is used twice.';
COMMENT ON COLUMN public.push_state.edited_at IS
    'When the edit arrived, by the database''s clock: the later edit of two wins by it.';
COMMENT ON COLUMN public.push_state.base IS 'What both sides last agreed on, field by field.';
COMMENT ON COLUMN public.push_state.deleted_at IS 'When the row was deleted here, where Gazelle is to be told.';

-- An id as it was meant: blanks may come along with one that is pasted.
CREATE OR REPLACE FUNCTION gazelle.bare_id(text) RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
AS $$
SELECT nullif(btrim($1, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
$$;

-- Marks an edit in the shop's row. Arguments of both functions: the key column, the column with Gazelle's id, what
-- becomes of the state of a deleted row, then the columns that Gazelle is to know. Whatever else changes (our
-- book-keeping, notes that stay in the shop) is no edit. The push itself says gazelle_sync.pushing while it writes.
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
        IF after -> TG_ARGV[0] IS DISTINCT FROM before -> TG_ARGV[0]
            OR after -> TG_ARGV[1] IS DISTINCT FROM before -> TG_ARGV[1] THEN
            -- Nothing of what was agreed on with the first record holds for the other.
            edited := true;
            NEW.last_synced_at := NULL;
        END IF;
        FOR place IN 3 .. TG_NARGS - 1 LOOP
            edited := edited OR after -> TG_ARGV[place] IS DISTINCT FROM before -> TG_ARGV[place];
        END LOOP;
        IF NOT edited THEN
            RETURN NEW;
        END IF;
        -- An app that works off-line says itself when the edit was made; a clock that runs ahead is not believed.
        NEW.updated_at := CASE
            WHEN NEW.updated_at IS NULL OR NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN clock_timestamp()
            ELSE least(NEW.updated_at, clock_timestamp())
        END;
    END IF;
    NEW.needs_sync := true;
    NEW.sync_error := NULL;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.gazelle_mark_edit() IS 'Trigger, before: marks a row that is pushed as due when it is edited.';

-- Keeps the state of a row that was inserted, edited or deleted. It runs after the row was written: an INSERT that
-- becomes an UPDATE (ON CONFLICT) or nothing has no state of its own.
CREATE OR REPLACE FUNCTION public.gazelle_keep_state() RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before jsonb;
    after jsonb;
    edited boolean := TG_OP = 'INSERT';
    is_another boolean := TG_OP = 'INSERT';
BEGIN
    IF current_setting('gazelle_sync.pushing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        before := to_jsonb(OLD);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := to_jsonb(NEW);
    END IF;
    IF TG_OP = 'DELETE' AND TG_ARGV[2] = 'keep' THEN
        UPDATE public.push_state
        SET deleted_at = clock_timestamp(), revision = nextval('gazelle.edit_number'), attempts = 0, next_attempt_at = NULL
        WHERE source_table = TG_TABLE_NAME AND local_id = coalesce(before ->> TG_ARGV[0], '');
        PERFORM pg_notify('gazelle_push', left(TG_TABLE_NAME || ' ' || coalesce(before ->> TG_ARGV[0], ''), 1000));
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND after -> TG_ARGV[0] IS DISTINCT FROM before -> TG_ARGV[0]) THEN
        DELETE FROM public.push_state
        WHERE source_table = TG_TABLE_NAME AND local_id = coalesce(before ->> TG_ARGV[0], '');
        IF TG_OP = 'DELETE' THEN
            RETURN NULL;
        END IF;
        is_another := true;
    END IF;
    is_another := is_another OR after -> TG_ARGV[1] IS DISTINCT FROM before -> TG_ARGV[1];
    edited := edited OR is_another;
    FOR place IN 3 .. TG_NARGS - 1 LOOP
        edited := edited OR after -> TG_ARGV[place] IS DISTINCT FROM before -> TG_ARGV[place];
    END LOOP;
    IF NOT edited THEN
        IF (after ->> 'needs_sync')::boolean AND NOT coalesce((before ->> 'needs_sync')::boolean, false) THEN
            -- Somebody asks for another try.
            UPDATE public.push_state
            SET attempts = 0, next_attempt_at = NULL
            WHERE source_table = TG_TABLE_NAME AND local_id = coalesce(after ->> TG_ARGV[0], '');
        END IF;
        RETURN NULL;
    END IF;
    INSERT INTO public.push_state AS s (source_table, local_id, external_id, revision)
    VALUES (
        TG_TABLE_NAME, coalesce(after ->> TG_ARGV[0], ''), gazelle.bare_id(after ->> TG_ARGV[1]),
        nextval('gazelle.edit_number')
    )
    ON CONFLICT (source_table, local_id) DO UPDATE
    SET external_id = excluded.external_id, revision = excluded.revision, edited_at = excluded.edited_at,
        base = CASE WHEN is_another THEN NULL ELSE s.base END,
        attempts = 0, next_attempt_at = NULL, last_error = NULL, deleted_at = NULL;
    PERFORM pg_notify('gazelle_push', left(TG_TABLE_NAME || ' ' || coalesce(after ->> TG_ARGV[0], ''), 1000));
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.gazelle_keep_state() IS
    'Trigger, after: keeps push_state, counts revisions, notifies the channel gazelle_push.';

-- Makes a table one that is pushed: its two triggers. `on_delete`: `forget` where a deletion here concerns nobody at
-- Gazelle, `keep` where the push does something about it.
CREATE OR REPLACE FUNCTION gazelle.push_table(
    relation regclass, key text, record text, on_delete text, VARIADIC columns text[]
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    arguments text;
BEGIN
    SELECT string_agg(quote_literal(argument), ', ' ORDER BY place) INTO arguments
    FROM unnest(ARRAY[key, record, on_delete] || columns) WITH ORDINALITY AS given (argument, place);
    EXECUTE format('DROP TRIGGER IF EXISTS gazelle_mark_edit ON %s', relation);
    EXECUTE format('DROP TRIGGER IF EXISTS gazelle_keep_state ON %s', relation);
    EXECUTE format(
        'CREATE TRIGGER gazelle_mark_edit BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION public.gazelle_mark_edit(%s)', relation, arguments
    );
    EXECUTE format(
        'CREATE TRIGGER gazelle_keep_state AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW '
        'EXECUTE FUNCTION public.gazelle_keep_state(%s)', relation, arguments
    );
END
$$;
COMMENT ON FUNCTION gazelle.push_table(regclass, text, text, text, text[]) IS
    'Makes a table one whose edits are pushed to Gazelle: the triggers that mark edits and keep push_state.';

SELECT gazelle.push_table(
    'public.vincent_dindy_piano_updates', 'gazelle_id', 'gazelle_id', 'forget',
    'status', 'notes', 'observations', 'travail', 'completed_at'
);

-- What earlier versions kept in the table itself. Their columns stay, unused. Of several rows with one key nobody can
-- say which counts: the first stands for them, and the push refuses them all.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute
        WHERE attrelid = 'public.vincent_dindy_piano_updates'::regclass AND attname = 'sync_attempts' AND NOT attisdropped
    ) THEN
        RETURN;
    END IF;
    INSERT INTO public.push_state (
        source_table, local_id, external_id, revision, edited_at, base, attempts, next_attempt_at, last_error
    )
    SELECT DISTINCT ON (to_jsonb(t.gazelle_id) #>> '{}')
        'vincent_dindy_piano_updates',
        coalesce(to_jsonb(t.gazelle_id) #>> '{}', ''),
        gazelle.bare_id(t.gazelle_id::text),
        t.revision,
        coalesce(t.edited_at, t.updated_at, clock_timestamp()),
        t.base,
        t.sync_attempts,
        t.next_attempt_at,
        t.sync_error
    FROM public.vincent_dindy_piano_updates AS t
    ORDER BY to_jsonb(t.gazelle_id) #>> '{}', t.revision DESC
    ON CONFLICT DO NOTHING;
    -- Where the last pull saw what our last push left, that is known by a digest from now on; other rows are looked at once.
    UPDATE public.push_state AS s
    SET base = jsonb_set(
        s.base, '{remote,digest}',
        to_jsonb(md5(jsonb_build_object('tags', to_jsonb(p.gazelle_tags), 'notes', coalesce(p.notes, ''))::text))
    )
    FROM public.gazelle_pianos AS p
    WHERE s.source_table = 'vincent_dindy_piano_updates'
        AND p.external_id = s.external_id
        AND jsonb_typeof(s.base -> 'remote') = 'object'
        AND s.base #> '{remote,digest}' IS NULL
        AND (
            to_jsonb(p.gazelle_tags) IS NOT DISTINCT FROM s.base #> '{remote,tags}'
                AND md5(coalesce(p.notes, '')) IS NOT DISTINCT FROM s.base #>> '{remote,notes_md5}'
        );
    COMMENT ON COLUMN public.vincent_dindy_piano_updates.revision IS 'Unused since push_state is there.';
    COMMENT ON COLUMN public.vincent_dindy_piano_updates.base IS 'Unused since push_state is there.';
    COMMENT ON COLUMN public.vincent_dindy_piano_updates.edited_at IS 'Unused since push_state is there.';
END
$$;

-- The log and the conflicts name the row that they speak of; `piano_id` and `external_id` hold Gazelle's id, of whatever
-- kind of record.
ALTER TABLE public.sync_gazelle_logs
    ADD COLUMN IF NOT EXISTS source_table text,
    ADD COLUMN IF NOT EXISTS local_id text;
ALTER TABLE public.sync_conflicts
    ADD COLUMN IF NOT EXISTS source_table text,
    ADD COLUMN IF NOT EXISTS local_id text;
UPDATE public.sync_gazelle_logs AS l
SET source_table = 'vincent_dindy_piano_updates',
    local_id = coalesce(
        (
            SELECT s.local_id
            FROM public.push_state AS s
            WHERE s.source_table = 'vincent_dindy_piano_updates' AND s.external_id = l.piano_id
            ORDER BY s.revision DESC
            LIMIT 1
        ),
        l.piano_id
    )
WHERE l.source_table IS NULL AND l.status IN ('success', 'error', 'skipped', 'in_doubt');
UPDATE public.sync_conflicts AS c
SET source_table = 'vincent_dindy_piano_updates',
    local_id = coalesce(
        (
            SELECT s.local_id
            FROM public.push_state AS s
            WHERE s.source_table = 'vincent_dindy_piano_updates' AND s.external_id = c.external_id
            ORDER BY s.revision DESC
            LIMIT 1
        ),
        c.external_id
    )
WHERE c.source_table IS NULL;
CREATE INDEX IF NOT EXISTS sync_gazelle_logs_source ON public.sync_gazelle_logs (source_table, piano_id, id);
COMMENT ON COLUMN public.sync_gazelle_logs.source_table IS 'The shop''s table that the action came from.';
COMMENT ON COLUMN public.sync_gazelle_logs.local_id IS 'The key of the row there.';
COMMENT ON COLUMN public.sync_gazelle_logs.piano_id IS 'Gazelle''s id of the record, of whatever kind (entity says which).';

DO $$
DECLARE
    runs_as name;
    visitor text;
    ours regprocedure;
BEGIN
    -- The functions run with the rights of their owner, who may be another than whoever runs this file.
    FOR ours IN
        SELECT p.oid
        FROM pg_catalog.pg_proc AS p
        WHERE p.oid IN ('public.gazelle_mark_edit()'::regprocedure, 'public.gazelle_keep_state()'::regprocedure)
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', ours);
        FOR visitor IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', ours, visitor);
        END LOOP;
        SELECT pg_catalog.pg_get_userbyid(proowner) INTO runs_as FROM pg_catalog.pg_proc WHERE oid = ours;
        EXECUTE format('GRANT USAGE ON SCHEMA gazelle TO %I', runs_as);
        EXECUTE format('GRANT USAGE ON SEQUENCE gazelle.edit_number TO %I', runs_as);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.push_state TO %I', runs_as);
        EXECUTE format('GRANT EXECUTE ON FUNCTION gazelle.bare_id(text) TO %I', runs_as);
    END LOOP;
    REVOKE ALL ON FUNCTION gazelle.bare_id(text) FROM PUBLIC;
    REVOKE ALL ON FUNCTION gazelle.push_table(regclass, text, text, text, text[]) FROM PUBLIC;
    FOR visitor IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('gazelle_writer', 'gazelle_owner') LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.push_state TO %I', visitor);
        EXECUTE format('GRANT EXECUTE ON FUNCTION gazelle.bare_id(text) TO %I', visitor);
    END LOOP;
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gazelle_owner') THEN
        GRANT ALL ON public.push_state TO gazelle_owner;
    END IF;
    -- What people wrote is in base and last_error: no reader sees them.
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gazelle_reader') THEN
        GRANT SELECT (
            source_table, local_id, external_id, revision, edited_at, attempts, next_attempt_at, deleted_at
        ) ON public.push_state TO gazelle_reader;
        GRANT SELECT (source_table, local_id) ON public.sync_gazelle_logs TO gazelle_reader;
        GRANT SELECT (source_table, local_id) ON public.sync_conflicts TO gazelle_reader;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Not every right was given: %', SQLERRM;
END
$$;
