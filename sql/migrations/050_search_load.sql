-- A first load is read as a whole: its pages hold a hundred records and more, those that are read by id fifty at most. Each
-- page leaves one row instead of one a record (a quarter of a million of them before), and none relies on another's: the
-- search may be taking that one at this moment.

CREATE OR REPLACE FUNCTION gazelle.note_unsearched() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may write these tables marks what was written, without a right to this one.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    many CONSTANT integer := 100;
    has_many boolean := TG_OP = 'TRUNCATE';
BEGIN
    IF NOT has_many THEN
        SELECT count(*) >= many INTO has_many FROM (SELECT FROM written LIMIT many) AS few;
    END IF;
    IF has_many THEN
        INSERT INTO public.search_unread (kind) VALUES (NULL);
    ELSIF TG_TABLE_NAME = 'gazelle_contacts' THEN
        INSERT INTO public.search_unread (kind, external_id)
        SELECT DISTINCT 'client', client_external_id FROM written WHERE client_external_id IS NOT NULL;
    ELSIF TG_TABLE_NAME = 'vincent_dindy_piano_updates' THEN
        INSERT INTO public.search_unread (kind, external_id)
        SELECT DISTINCT 'piano', gazelle.bare_id(gazelle_id::text) FROM written WHERE gazelle_id IS NOT NULL;
    ELSE
        INSERT INTO public.search_unread (kind, external_id) SELECT TG_ARGV[0], external_id FROM written;
    END IF;
    RETURN NULL;
END
$$;
