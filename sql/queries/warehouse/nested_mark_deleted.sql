-- Mark nested rows as deleted that their parent's body no longer lists. They keep their ids.
UPDATE {table} AS held
SET deleted_at = %(deleted_at)s, synced_at = now()
WHERE held.{owner} = ANY (%(owners)s)
    AND held.deleted_at IS NULL
    AND NOT starts_with(held.external_id, 'v4_')
    AND NOT EXISTS (
        SELECT FROM unnest(%(listed)s::text[]) AS listed (external_id) WHERE listed.external_id = held.external_id
    )
