-- Of some records, those with a living nested row of Gazelle's that is not said.
SELECT held.{owner}
FROM {table} AS held
WHERE held.{owner} = ANY (%(owners)s)
    AND held.deleted_at IS NULL
    AND NOT held.is_stub
    AND NOT starts_with(held.external_id, 'v4_')
    AND NOT EXISTS (
        SELECT FROM unnest(%(listed)s::text[]) AS listed (external_id) WHERE listed.external_id = held.external_id
    )
