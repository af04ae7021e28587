-- About how many rows a table holds, as the planner knows; negative where the table was never analyzed.
SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = %(table)s::regclass
