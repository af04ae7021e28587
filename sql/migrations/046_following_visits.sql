-- Of a recurring visit all that follow can be cancelled by one row, whoever writes it: Gazelle cancels one event at a time.

CREATE OR REPLACE FUNCTION gazelle.cancel_following() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.appointment_drafts (action, appointment_external_id, updated_by)
    SELECT 'cancel', later.external_id, NEW.updated_by
    FROM public.gazelle_appointments AS first
    INNER JOIN public.gazelle_appointments AS later
        ON later.recurrence_id = first.recurrence_id AND later.start_at > first.start_at
    WHERE first.external_id = NEW.appointment_external_id
        AND later.deleted_at IS NULL
        AND later.status = 'ACTIVE'
        AND NOT EXISTS (
            SELECT
            FROM public.appointment_drafts AS d
            WHERE d.appointment_external_id = later.external_id
                AND d.action = 'cancel'
                AND d.status IN ('ready', 'held')
        )
    ORDER BY later.start_at, later.external_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER gazelle_cancel_following
    AFTER INSERT OR UPDATE OF action, recurrence_change, appointment_external_id ON public.appointment_drafts
    FOR EACH ROW
    WHEN (NEW.action = 'cancel' AND NEW.recurrence_change = 'FUTURE' AND NEW.status IN ('ready', 'held'))
    EXECUTE FUNCTION gazelle.cancel_following();

COMMENT ON COLUMN public.appointment_drafts.recurrence_change IS
    'Of a recurring event: SELF is this one occurrence, FUTURE all from it on; of a cancellation, a trigger writes a draft '
    'for each later one that is known here.';

DO $$
DECLARE
    who text;
BEGIN
    FOR who IN
        SELECT 'PUBLIC'
        UNION ALL
        SELECT quote_ident(rolname) FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION gazelle.cancel_following() FROM %s', who);
    END LOOP;
    IF (SELECT count(*) = 2 FROM pg_catalog.pg_roles WHERE rolname IN ('gazelle_writer', 'gazelle_owner')) THEN
        GRANT EXECUTE ON FUNCTION gazelle.cancel_following() TO gazelle_writer, gazelle_owner;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN RAISE NOTICE 'Not every right was given: %', SQLERRM;
END
$$;
