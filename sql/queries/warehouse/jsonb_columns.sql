-- The jsonb columns of some tables. Read from pg_catalog: information_schema takes ten times as long.
SELECT c.relname, a.attname
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s) AND a.atttypid = 'jsonb'::regtype
    AND a.attnum > 0 AND NOT a.attisdropped
