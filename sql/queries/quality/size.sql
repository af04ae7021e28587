-- About how many rows a table holds, as the planner knows; negative where it was never told.
SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = %(table)s::regclass
