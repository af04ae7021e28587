-- Which database this is: of which server, made when, and after how many takeovers. A restored one is another.
SELECT concat_ws('/', s.system_identifier, d.oid, c.timeline_id), clock_timestamp()
FROM pg_control_system() AS s
CROSS JOIN pg_control_checkpoint() AS c
CROSS JOIN pg_database AS d
WHERE d.datname = current_database()
