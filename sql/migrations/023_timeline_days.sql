-- How many living timeline entries each Montreal day has, kept by the statements that change them: a run compares these
-- counts with Gazelle's four times an hour, and to count millions of rows each time takes seconds.
--
-- A statement adds one row for each day whose count it changes, with the difference, and the counts are the sums. So it
-- waits for no other transaction that changes the same day, and a transaction sees exactly the counts of the rows that it
-- sees. The sync folds the rows of a day into one when they are many, and a full run compares the sums with the table.

CREATE TABLE IF NOT EXISTS public.sync_timeline_days (
    day date NOT NULL,
    entries bigint NOT NULL
);
COMMENT ON TABLE public.sync_timeline_days IS
    'How many living timeline entries each day has: the sum of its rows. Kept by triggers on gazelle_timeline_entries.';
COMMENT ON COLUMN public.sync_timeline_days.day IS
    'Day in Montreal; what lies outside the calendar (1900 to 2199) counts on its first or last day.';
COMMENT ON COLUMN public.sync_timeline_days.entries IS 'By how many one statement changed the day''s count, or several.';

-- A stub, an entry that is marked deleted and one without an instant do not count.
CREATE OR REPLACE FUNCTION gazelle.count_timeline_days() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may write entries keeps their counts, without a right to this table.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM public.sync_timeline_days;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO public.sync_timeline_days (day, entries)
        SELECT gazelle.timeline_day(occurred_at), count(*)
        FROM new_rows
        WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
        GROUP BY 1;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.sync_timeline_days (day, entries)
        SELECT gazelle.timeline_day(occurred_at), -count(*)
        FROM old_rows
        WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
        GROUP BY 1;
    ELSE
        INSERT INTO public.sync_timeline_days (day, entries)
        SELECT gazelle.timeline_day(occurred_at), sum(change)
        FROM (
            SELECT occurred_at, deleted_at, is_stub, 1 AS change FROM new_rows
            UNION ALL
            SELECT occurred_at, deleted_at, is_stub, -1 FROM old_rows
        ) AS changed
        WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
        GROUP BY 1
        HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION gazelle.timeline_day(occurred_at timestamptz) RETURNS date
LANGUAGE sql
IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (
        least(greatest(occurred_at, '1900-01-01 00:00+00'), '2200-01-01 00:00+00') AT TIME ZONE 'America/Toronto'
    )::date
$$;

DO $$
DECLARE
    event text;
BEGIN
    FOREACH event IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER gazelle_count_days_%1$s AFTER %1$s ON public.gazelle_timeline_entries %2$s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION gazelle.count_timeline_days()',
            event,
            CASE event
                WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
                WHEN 'update' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
                WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows'
                ELSE ''
            END
        );
    END LOOP;
END
$$;

-- Nobody writes entries until this transaction ends: making a trigger locks their table against that.
TRUNCATE public.sync_timeline_days;
INSERT INTO public.sync_timeline_days (day, entries)
SELECT gazelle.timeline_day(occurred_at), count(*)
FROM public.gazelle_timeline_entries
WHERE deleted_at IS NULL AND NOT is_stub AND occurred_at IS NOT NULL
GROUP BY 1;

REVOKE ALL ON FUNCTION gazelle.count_timeline_days(), gazelle.timeline_day(timestamptz) FROM PUBLIC;
DO $$
BEGIN
    GRANT ALL ON public.sync_timeline_days TO gazelle_owner;
    GRANT SELECT, INSERT, UPDATE, DELETE ON public.sync_timeline_days TO gazelle_writer;
    GRANT EXECUTE ON FUNCTION gazelle.timeline_day(timestamptz) TO gazelle_owner, gazelle_writer;
    ALTER TABLE public.sync_timeline_days OWNER TO gazelle_owner;
    ALTER FUNCTION gazelle.count_timeline_days() OWNER TO gazelle_owner;
    ALTER FUNCTION gazelle.timeline_day(timestamptz) OWNER TO gazelle_owner;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN
        RAISE NOTICE 'sync_timeline_days stays with %: %', current_user, SQLERRM;
END
$$;
