-- An id that somebody pasted with blanks around it speaks of the record all the same: rows are found by the id without them.
CREATE INDEX IF NOT EXISTS vincent_dindy_piano_updates_record ON public.vincent_dindy_piano_updates (
    nullif(btrim(gazelle_id::text, E' \t\n\r\f\u000B\u00A0\u2007\u2009\u200A\u200B\u200C\u200D\u202F\u2060\u3000\uFEFF'), '')
);
