-- Which triggers that keep the counts of the timeline's days are not there, or are disabled.
SELECT 'the trigger ' || wanted.name || ' (gazelle_timeline_entries)'
FROM (
    VALUES
        ('gazelle_count_days_insert'), ('gazelle_count_days_update'), ('gazelle_count_days_delete'),
        ('gazelle_count_days_truncate')
) AS wanted (name)
WHERE to_regclass('public.gazelle_timeline_entries') IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = to_regclass('public.gazelle_timeline_entries')
            AND t.tgname = wanted.name
            AND t.tgenabled <> 'D'
    )
