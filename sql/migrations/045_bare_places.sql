-- A stock is named without the blanks around it, by whoever writes its row: its movements are. And no movement is changed
-- or removed by a session that switches ordinary triggers off (session_replication_role) either: that takes a migration.

CREATE OR REPLACE FUNCTION gazelle.guard_stock() RETURNS trigger
LANGUAGE plpgsql
-- Whoever may write a threshold names its stock, without a right to the function that takes blanks away.
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.technician_external_id := gazelle.bare_id(NEW.technician_external_id);
        NEW.location := coalesce(nullif(btrim(NEW.location), ''), 'main');
    END IF;
    IF pg_trigger_depth() > 1 THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.quantity = 0 THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.quantity = 0 THEN
            RETURN OLD;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.quantity = OLD.quantity
            AND NEW.shop_product_id = OLD.shop_product_id
            AND NEW.technician_external_id = OLD.technician_external_id
            AND NEW.location = OLD.location THEN
            NEW.updated_at := now();
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The stock is the sum of its movements and is not written by itself.'
        USING ERRCODE = 'restrict_violation',
        HINT = 'Insert a row into inventory_movements; only reorder_threshold is edited here.';
END
$$;

-- What was written with blanks holds no quantity, since its movements went to the place without them. Its threshold goes
-- there too.
INSERT INTO public.inventory_stock AS s (shop_product_id, technician_external_id, location, reorder_threshold)
SELECT
    b.shop_product_id, gazelle.bare_id(b.technician_external_id), coalesce(nullif(btrim(b.location), ''), 'main'),
    max(b.reorder_threshold)
FROM public.inventory_stock AS b
WHERE b.quantity = 0
    AND gazelle.bare_id(b.technician_external_id) IS NOT NULL
    AND (b.technician_external_id, b.location)
    IS DISTINCT FROM (gazelle.bare_id(b.technician_external_id), coalesce(nullif(btrim(b.location), ''), 'main'))
GROUP BY 1, 2, 3
ON CONFLICT (shop_product_id, technician_external_id, location) DO UPDATE
SET reorder_threshold = coalesce(s.reorder_threshold, excluded.reorder_threshold);
DELETE FROM public.inventory_stock
WHERE quantity = 0
    AND (technician_external_id, location)
    IS DISTINCT FROM (gazelle.bare_id(technician_external_id), coalesce(nullif(btrim(location), ''), 'main'));

DO $$
DECLARE
    ours text;
BEGIN
    FOREACH ours IN ARRAY ARRAY['gazelle_refuse_change', 'gazelle_refuse_truncate'] LOOP
        CONTINUE WHEN EXISTS (
            SELECT
            FROM pg_catalog.pg_trigger
            WHERE tgrelid = 'public.inventory_movements'::regclass AND tgname = ours AND tgenabled = 'A'
        );
        EXECUTE format('ALTER TABLE public.inventory_movements ENABLE ALWAYS TRIGGER %I', ours);
    END LOOP;
END
$$;
