-- The rows of some records, and those that they list wherever they are; what only an older system knows is left out.
SELECT {columns}
FROM {table}
WHERE ({owner} = ANY (%(owners)s) OR external_id = ANY (%(listed)s)) AND NOT starts_with(external_id, 'v4_')
