-- Columns that hold local time: by their name, or in our tables because they hold an instant without its zone. An id is
-- no time, and a day has no hour that could be moved.
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), c.relname = ANY (%(ours)s)
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'gazelle')
    AND c.relkind IN ('r', 'p')
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND (
        (
            a.attname ~ '(^|_)(montreal|mtl|toronto|local|localtime|eastern)(_|$)|_(est|edt)$|heure_locale'
            AND a.attname !~ '_(id|day)$'
            AND format_type(a.atttypid, NULL) ~ '^(time|date|text|character|interval)'
        )
        OR (c.relname = ANY (%(ours)s) AND format_type(a.atttypid, NULL) = 'timestamp without time zone')
    )
ORDER BY 1, 2
