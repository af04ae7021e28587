-- Some records, from about twenty times as many in blocks drawn at random, by what the planner knows of the table's size.
SELECT external_id
FROM {staging} TABLESAMPLE SYSTEM ((
    SELECT CASE WHEN %(everywhere)s OR reltuples < 100 * %(count)s THEN 100 ELSE 100.0 * 20 * %(count)s / reltuples END
    FROM pg_catalog.pg_class
    WHERE oid = %(table)s::regclass
))
LIMIT %(count)s
