-- A first load is read as a whole: its pages come in parts of five hundred, which left a row for each note (two hundred
-- thousand in ten shops), and a hundred are more than what is read by id at once.

CREATE OR REPLACE FUNCTION gazelle.note_unread() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may write notes marks them, without a right to this table.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    many CONSTANT integer := 100;
    has_many boolean := TG_OP = 'TRUNCATE';
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT count(*) >= many INTO has_many FROM (SELECT FROM old_rows LIMIT many) AS few;
    ELSIF NOT has_many THEN
        SELECT count(*) >= many INTO has_many FROM (SELECT FROM new_rows LIMIT many) AS few;
    END IF;
    IF has_many THEN
        INSERT INTO public.maintenance_unread (source_external_id) VALUES (NULL);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.maintenance_unread (source_external_id) SELECT external_id FROM old_rows;
    ELSE
        INSERT INTO public.maintenance_unread (source_external_id) SELECT external_id FROM new_rows;
    END IF;
    RETURN NULL;
END
$$;
