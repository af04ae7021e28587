-- Records whose rows name a record that has no row, or only a stub; of each such record the last few that name it, since
-- thousands may name somebody who left.
SELECT naming.id
FROM (
    SELECT held.{key} AS id, row_number() OVER (PARTITION BY held.{column} ORDER BY held.{key} DESC) AS place
    FROM {table} AS held
    LEFT JOIN {parent} AS named ON named.external_id = held.{column}
    WHERE held.{column} IS NOT NULL
        AND NOT starts_with(held.external_id, 'v4_')
        AND (named.external_id IS NULL OR named.is_stub)
) AS naming
WHERE naming.place <= 20
