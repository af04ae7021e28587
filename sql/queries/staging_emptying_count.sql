-- How many waiting bodies would empty a merged column that holds something, and how many rows there are.
SELECT
    (
        SELECT count(*)
        FROM {staging} AS s
        JOIN {table} AS held USING (external_id)
        WHERE s.sync_status = 'pending'
            AND s.raw_data -> %(field)s = '[]'::jsonb
            AND held.deleted_at IS NULL
            AND (cardinality(held.{base}) > 0 OR (held.{base} IS NULL AND cardinality(held.{merged}) > 0))
    ),
    (SELECT count(*) FROM {table} WHERE deleted_at IS NULL)
