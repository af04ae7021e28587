-- Triggers on the appointments, and the function of the one that moved their hours.
SELECT 'trigger ' || t.tgname
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = to_regclass('public.gazelle_appointments') AND NOT t.tgisinternal
UNION ALL
SELECT 'function ' || p.proname
FROM pg_catalog.pg_proc AS p
WHERE p.proname = 'fn_fix_gazelle_api_time'
