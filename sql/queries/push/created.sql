-- A record was made for a row: the row names it from now on.
WITH made AS (
    SELECT * FROM jsonb_to_recordset(%(given)s) AS d (local_id text, record text)
),
state AS (
    UPDATE push_state AS s
    SET external_id = made.record
    FROM made
    WHERE s.source_table = {source} AND s.local_id = made.local_id AND s.external_id IS NULL
)
UPDATE {table} AS t
SET {record_column} = made.record
FROM made
WHERE {local} = made.local_id AND {record} IS NULL
