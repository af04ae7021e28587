-- What a migration that adds an entity calls (docs/adding-an-entity.md). Each may be called repeatedly.

-- Makes the four views that look at every entity.
--   entities  all of them, the old ones first and in their order: staging_<name> is the staging table
--   tables    all production tables, without gazelle_ before their names

CREATE OR REPLACE FUNCTION gazelle.make_entity_views(entities text[], tables text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    branches text;
BEGIN
    SELECT string_agg(
        format(
            'SELECT %L::text AS entity, external_id, id FROM public.%I',
            CASE name WHEN 'timeline_entries' THEN 'timeline' ELSE name END, 'gazelle_' || name
        ),
        ' UNION ALL ' ORDER BY place
    )
    INTO branches
    FROM unnest(tables) WITH ORDINALITY AS one (name, place);
    EXECUTE 'CREATE OR REPLACE VIEW public.external_id_mapping AS ' || branches;

    SELECT string_agg(
        format(
            'SELECT %L::text AS entity, sync_status, count(*) AS count, min(fetched_at) AS oldest_record, '
            'max(fetched_at) AS newest_record FROM public.%I GROUP BY sync_status',
            name, 'staging_' || name
        ),
        ' UNION ALL ' ORDER BY place
    )
    INTO branches
    FROM unnest(entities) WITH ORDINALITY AS one (name, place);
    EXECUTE 'CREATE OR REPLACE VIEW public.v_sync_dashboard AS ' || branches;

    -- An error that a newer version of the same record has replaced is nobody's concern any more.
    SELECT string_agg(
        format(
            'SELECT %1$L::text AS entity, s.external_id, s.fetched_at, s.error_message, s.attempts, s.rejected_at, '
            's.error_stack, s.run_id FROM public.%2$I AS s WHERE s.sync_status = ''error'' AND NOT EXISTS ('
            'SELECT FROM public.%2$I AS n WHERE n.external_id = s.external_id AND n.fetched_at > s.fetched_at)',
            name, 'staging_' || name
        ),
        ' UNION ALL ' ORDER BY place
    )
    INTO branches
    FROM unnest(entities) WITH ORDINALITY AS one (name, place);
    EXECUTE 'CREATE OR REPLACE VIEW public.v_sync_errors AS ' || branches || '
        UNION ALL
        SELECT
            u.entity, u.external_id, u.last_seen_at, u.error_message, u.attempts, NULL::timestamptz, NULL::text, u.run_id
        FROM public.sync_unreadable AS u';

    SELECT string_agg(
        format(
            'SELECT %L::text AS entity, sync_status, fetched_at, processed_at FROM public.%I '
            'WHERE sync_status <> ''processed''',
            name, 'staging_' || name
        ),
        ' UNION ALL ' ORDER BY place
    )
    INTO branches
    FROM unnest(entities) WITH ORDINALITY AS one (name, place);
    EXECUTE format(
        $view$
        CREATE OR REPLACE VIEW public.v_sync_health AS
        WITH unprocessed AS (%s)
        SELECT
            entities.entity,
            watermark.last_sync_at,
            now() - watermark.last_sync_at AS age,
            count(*) FILTER (WHERE u.sync_status = 'pending') AS backlog,
            min(u.fetched_at) FILTER (WHERE u.sync_status = 'pending') AS backlog_since,
            count(*) FILTER (WHERE u.sync_status = 'error') AS errors,
            count(*) FILTER (
                WHERE u.sync_status = 'error' AND coalesce(u.processed_at, u.fetched_at) > now() - interval '1 hour'
            ) AS errors_last_hour
        FROM unnest(%L::text[]) WITH ORDINALITY AS entities (entity, place)
        LEFT JOIN LATERAL (
            -- A value that is no instant must not take the whole view down with it.
            SELECT CASE WHEN value ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d' THEN value::timestamptz END AS last_sync_at
            FROM public.system_settings
            WHERE key = 'last_sync_date.' || entities.entity
        ) AS watermark ON true
        LEFT JOIN unprocessed AS u ON u.entity = entities.entity
        GROUP BY entities.entity, entities.place, watermark.last_sync_at
        ORDER BY entities.place
        $view$,
        branches, entities
    );
END
$function$;

-- Makes a foreign key to another table's external_id where it is not there: when a table is dropped with CASCADE, the keys
-- of others that pointed to it go too, and CREATE TABLE IF NOT EXISTS does not bring them back. It is made NOT VALID,
-- since a table that was made again is empty until a replay; `gazelle-sync migrate` validates it.
CREATE OR REPLACE FUNCTION gazelle.make_foreign_key(name text, key text, parent text, action text DEFAULT '')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_constraint AS c
        INNER JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
        WHERE c.contype = 'f'
            AND c.conrelid = format('public.%I', name)::regclass
            AND c.confrelid = format('public.%I', parent)::regclass
            AND a.attname = key
    ) THEN
        EXECUTE format(
            'ALTER TABLE public.%I ADD FOREIGN KEY (%I) REFERENCES public.%I (external_id) %s NOT VALID',
            name, key, parent, action
        );
    END IF;
END
$$;

DO $$
DECLARE
    who text;
BEGIN
    FOR who IN
        SELECT 'PUBLIC'
        UNION ALL
        SELECT quote_ident(rolname) FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION gazelle.make_entity_views(text[], text[]) FROM %s', who);
        EXECUTE format('REVOKE ALL ON FUNCTION gazelle.make_foreign_key(text, text, text, text) FROM %s', who);
    END LOOP;
END
$$;
