-- New rows whose record is to be made under that of another row, which does not make it: its own was taken back, or it is
-- not here (any more). Which of the two, and what they say by now.
SELECT {local}, above.is_taken_back IS TRUE, t.sync_error
FROM {table} AS t
LEFT JOIN ({parents}) AS above ON above.local_id = {parent_key}
WHERE {local} = ANY (%(ids)s::text[]) AND {record} IS NULL
    AND (above.is_taken_back OR (above.local_id IS NULL AND {parent} IS NULL))
