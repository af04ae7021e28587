-- An earlier system moved every appointment by ten hours with a trigger, to make up for an import that had moved it by
-- five. Instants are stored as Gazelle sends them now, so both must go. No CASCADE: if another table still hangs on the
-- function, its times are being moved too, and somebody has to look at it first.

DROP TRIGGER IF EXISTS tr_fix_api_import ON public.gazelle_appointments;
DROP FUNCTION IF EXISTS public.fn_fix_gazelle_api_time();
