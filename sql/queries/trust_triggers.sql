-- Whatever could move an appointment's hours: triggers and rules on its table, and the function of the old trigger.
SELECT 'trigger', t.tgname::text, t.tgrelid::regclass::text
FROM pg_catalog.pg_trigger AS t
WHERE NOT t.tgisinternal
    AND (t.tgrelid = to_regclass('public.gazelle_appointments') OR t.tgname = 'tr_fix_api_import')
UNION ALL
SELECT 'rule', r.rulename::text, r.ev_class::regclass::text
FROM pg_catalog.pg_rewrite AS r
WHERE r.ev_class = to_regclass('public.gazelle_appointments')
UNION ALL
SELECT 'function', p.proname::text, p.pronamespace::regnamespace::text
FROM pg_catalog.pg_proc AS p
WHERE p.proname = 'fn_fix_gazelle_api_time'
