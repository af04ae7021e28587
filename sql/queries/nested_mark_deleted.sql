-- Nested rows that their parent's body lists no more, but that other tables name: they stay, marked deleted.
UPDATE {table} AS held
SET deleted_at = %(deleted_at)s, synced_at = now()
WHERE held.{owner} = ANY (%(owners)s)
    AND held.deleted_at IS NULL
    AND NOT held.external_id = ANY (%(listed)s)
    AND ({is_named})
