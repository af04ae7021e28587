-- What an alert's sentences are made of, so that its title is said in the language of whoever reads it. On rows of an
-- earlier version it is null: these keep the words in which they were told.
ALTER TABLE public.alert_log ADD COLUMN IF NOT EXISTS details jsonb;
COMMENT ON COLUMN public.alert_log.details IS
    'What an alert''s sentences are made of, in any language: subject, severity, numbers and names of each trouble.';
