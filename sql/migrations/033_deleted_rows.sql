-- Rows that are deleted here and whose records are to end at Gazelle: they are found by an index, and another row that
-- takes the key of such a row does not take its place.

CREATE INDEX IF NOT EXISTS push_state_deleted ON public.push_state (source_table) WHERE deleted_at IS NOT NULL;

-- Whether two rows name one record is asked of each row that is pushed.
CREATE INDEX IF NOT EXISTS shop_products_record ON public.shop_products ((
    nullif(btrim(product_external_id::text, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
));

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
    IF is_another THEN
        -- An earlier row of this key is gone, and its record is still to end.
        UPDATE public.push_state
        SET local_id = local_id || ' ' || revision
        WHERE source_table = TG_TABLE_NAME AND local_id = coalesce(after ->> TG_ARGV[0], '') AND deleted_at IS NOT NULL
            AND external_id <> coalesce(gazelle.bare_id(after ->> TG_ARGV[1]), '');
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
