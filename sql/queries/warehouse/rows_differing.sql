-- Records of which a table lacks a row that is said, or holds it otherwise, or marked deleted. Rows are looked up one by one:
-- as a join, PostgreSQL reads the whole table for a page of it.
SELECT said.{owner}
FROM json_populate_recordset(NULL::{table}, %(rows)s::json) AS said
LEFT JOIN LATERAL (SELECT * FROM {table} AS found WHERE found.external_id = said.external_id LIMIT 1) AS held ON true
WHERE ({held}, held.deleted_at) IS DISTINCT FROM ({said}, NULL)
