-- Whatever could move an appointment's hours: triggers and rules on its tables, and the function of the old trigger.
SELECT 'trigger', t.tgname::text, t.tgrelid::regclass::text
FROM pg_catalog.pg_trigger AS t
WHERE NOT t.tgisinternal
    AND (
        t.tgrelid IN (to_regclass('public.gazelle_appointments'), to_regclass('public.staging_appointments'))
        OR t.tgname = 'tr_fix_api_import'
    )
UNION ALL
SELECT 'rule', r.rulename::text, r.ev_class::regclass::text
FROM pg_catalog.pg_rewrite AS r
WHERE r.ev_class IN (to_regclass('public.gazelle_appointments'), to_regclass('public.staging_appointments'))
UNION ALL
SELECT 'function', p.proname::text, p.pronamespace::regnamespace::text
FROM pg_catalog.pg_proc AS p
WHERE p.proname = 'fn_fix_gazelle_api_time'
