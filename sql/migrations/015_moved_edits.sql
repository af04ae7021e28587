-- Somebody corrects which record a row of edits speaks of. Nothing of what was agreed on with the first record holds for
-- the other: the row is due as one that was never sent. What the first record got stays there.
CREATE OR REPLACE FUNCTION public.gazelle_mark_edit() RETURNS trigger
LANGUAGE plpgsql
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
        NEW.revision := coalesce(NEW.revision, 1);
    ELSE
        before := to_jsonb(OLD);
        IF after -> TG_ARGV[0] IS DISTINCT FROM before -> TG_ARGV[0] THEN
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
        NEW.revision := coalesce(OLD.revision, 0) + 1;
    END IF;
    NEW.needs_sync := true;
    NEW.sync_error := NULL;
    NEW.sync_attempts := 0;
    NEW.next_attempt_at := NULL;
    PERFORM pg_notify('gazelle_push', left(TG_TABLE_NAME || ' ' || coalesce(after ->> TG_ARGV[0], ''), 1000));
    RETURN NEW;
END
$$;
