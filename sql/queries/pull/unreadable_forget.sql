-- A run that read the entity had no trouble with the others.
DELETE FROM sync_unreadable
WHERE entity = %(entity)s AND external_id <> ALL (%(ids)s::text[])
