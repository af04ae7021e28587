-- Records that were made for rows have ended again: the rows name none, and make another once somebody edits them.
WITH gone AS (
    SELECT * FROM jsonb_to_recordset(%(given)s) AS d (local_id text, record text)
),
state AS (
    UPDATE push_state AS s
    SET external_id = NULL, base = jsonb_build_object('generations', coalesce(s.base -> 'generations', '{{}}'))
    FROM gone
    WHERE s.source_table = {source} AND s.local_id = gone.local_id AND s.external_id = gone.record
)
UPDATE {table} AS t
SET {record_column} = NULL
FROM gone
WHERE {local} = gone.local_id AND {record} = gone.record
