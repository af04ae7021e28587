-- A table of edits that was there before may have other types and another key. Instants that the sync itself compares and
-- writes get the type that they need (one without a zone is UTC: PostgreSQL's clock wrote it). What people write keeps
-- its type: the push reads it as text.
DO $$
DECLARE
    held record;
BEGIN
    PERFORM set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, DMY', true);
    FOR held IN
        SELECT wanted.name, wanted.type, wanted.fallback
        FROM (
            VALUES
                ('updated_at', 'timestamptz', 'now()'), ('last_synced_at', 'timestamptz', 'NULL'),
                ('sync_error', 'text', 'NULL')
        ) AS wanted (name, type, fallback)
        INNER JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = 'public.vincent_dindy_piano_updates'::regclass AND a.attname = wanted.name
        WHERE NOT a.attisdropped AND a.atttypid <> wanted.type::regtype
    LOOP
        EXECUTE format(
            'ALTER TABLE public.vincent_dindy_piano_updates ALTER COLUMN %1$I DROP DEFAULT, '
            'ALTER COLUMN %1$I TYPE %2$s USING nullif(%1$I::text, '''')::%2$s, ALTER COLUMN %1$I SET DEFAULT %3$s',
            held.name, held.type, held.fallback
        );
    END LOOP;
END
$$;

-- One row a piano. Where several rows speak of one already, nobody can say which counts: they stay, the push sends none of
-- them and says so in each, and `gazelle-sync migrate` makes the index once they are one.
DO $$
BEGIN
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = 'public.vincent_dindy_piano_updates'::regclass
            AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL
            AND a.attname = 'gazelle_id'
    ) THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM public.vincent_dindy_piano_updates WHERE gazelle_id IS NOT NULL GROUP BY gazelle_id HAVING count(*) > 1
    ) THEN
        RAISE NOTICE 'vincent_dindy_piano_updates: several rows have the same gazelle_id; nothing keeps it unique.';
        RETURN;
    END IF;
    CREATE UNIQUE INDEX vincent_dindy_piano_updates_gazelle_id ON public.vincent_dindy_piano_updates (gazelle_id);
END
$$;
