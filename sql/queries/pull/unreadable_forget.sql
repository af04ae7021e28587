-- The run could read all other records of the entity.
DELETE FROM sync_unreadable
WHERE entity = %(entity)s AND external_id <> ALL (%(ids)s::text[])
