-- Drafts of visits go to Gazelle: they are pushed like the shop's other tables, each row a change of one visit.

-- Gazelle has no key by which a visit that was made twice would be known, so each draft has a mark that no other has. It
-- stands in the visit's notes, and tells whether a creation that came to no answer has arrived.
ALTER TABLE public.appointment_drafts
    ADD COLUMN IF NOT EXISTS mark text NOT NULL DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 12),
    ADD COLUMN IF NOT EXISTS is_withdrawn boolean NOT NULL DEFAULT false;
UPDATE public.appointment_drafts SET is_withdrawn = true WHERE status = 'canceled' AND NOT is_withdrawn;
CREATE INDEX IF NOT EXISTS appointment_drafts_joint
    ON public.appointment_drafts (joint_key) WHERE joint_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS appointment_drafts_sent ON public.appointment_drafts (last_synced_at) WHERE status = 'sent';
CREATE INDEX IF NOT EXISTS appointment_drafts_record ON public.appointment_drafts ((
    nullif(btrim(appointment_external_id::text, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
));
COMMENT ON COLUMN public.appointment_drafts.mark IS
    'Stands in the notes of the visit that this draft makes, as [gazelle_sync <mark>]: by it the visit is known again.';
COMMENT ON COLUMN public.appointment_drafts.is_withdrawn IS 'Kept by a trigger: whether the status is `canceled`.';
COMMENT ON COLUMN public.appointment_drafts.status IS
    'ready: the next push sends it if nothing is wrong with it; held: something is, and sync_error says what; sent: '
    'Gazelle has it; canceled: withdrawn here, or taken back.';
COMMENT ON COLUMN public.appointment_drafts.recurrence_change IS
    'Of a recurring event: SELF is this one occurrence, FUTURE all from it on (a move). One draft cancels one event.';
COMMENT ON COLUMN public.appointment_drafts.needs_sync IS
    'Set by a trigger when somebody edits what Gazelle is to know; cleared once Gazelle has it.';
COMMENT ON COLUMN public.appointment_drafts.sync_error IS 'Why Gazelle does not have it yet, and what to do.';

-- Ids as they were meant, when the row was last written, and the status that the push leaves. What is corrected is ready
-- again; what was sent and is edited, too.
CREATE OR REPLACE FUNCTION gazelle.keep_draft() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    said CONSTANT text[] := ARRAY[
        'action', 'appointment_external_id', 'client_external_id', 'technician_external_id', 'pianos', 'start_at',
        'duration_minutes', 'buffer_minutes', 'is_all_day', 'title', 'notes', 'event_type', 'travel_mode',
        'recurrence_change', 'is_forced'
    ];
    is_pushing CONSTANT boolean := coalesce(current_setting('gazelle_sync.pushing', true), '') = 'on';
    is_edited boolean := false;
    after jsonb;
    before jsonb;
BEGIN
    NEW.appointment_external_id := gazelle.bare_id(NEW.appointment_external_id);
    NEW.client_external_id := gazelle.bare_id(NEW.client_external_id);
    NEW.technician_external_id := gazelle.bare_id(NEW.technician_external_id);
    IF TG_OP = 'UPDATE' THEN
        after := to_jsonb(NEW);
        before := to_jsonb(OLD);
        FOR place IN 1 .. array_length(said, 1) LOOP
            is_edited := is_edited OR after -> said[place] IS DISTINCT FROM before -> said[place];
        END LOOP;
        IF is_edited AND NOT is_pushing THEN
            NEW.updated_at := clock_timestamp();
            NEW.status := CASE
                WHEN NEW.status = OLD.status AND OLD.status IN ('held', 'sent') THEN 'ready' ELSE NEW.status
            END;
        ELSIF is_pushing AND NEW.appointment_external_id IS NULL AND OLD.appointment_external_id IS NOT NULL THEN
            NEW.status := 'canceled'; -- the visit that it had made was taken back
        ELSIF NEW.status = 'canceled' THEN
            NULL;
        ELSIF OLD.needs_sync AND NOT NEW.needs_sync THEN
            NEW.status := 'sent';
        ELSIF NEW.sync_error IS NOT NULL AND NEW.sync_error IS DISTINCT FROM OLD.sync_error THEN
            NEW.status := 'held';
        END IF;
    END IF;
    NEW.is_withdrawn := NEW.status = 'canceled';
    RETURN NEW;
END
$$;

SELECT gazelle.push_table(
    'public.appointment_drafts', 'id', 'appointment_external_id', 'forget', 'action', 'client_external_id',
    'technician_external_id', 'pianos', 'start_at', 'duration_minutes', 'buffer_minutes', 'is_all_day', 'title', 'notes',
    'event_type', 'travel_mode', 'recurrence_change', 'is_forced', 'is_withdrawn', 'mark'
);
