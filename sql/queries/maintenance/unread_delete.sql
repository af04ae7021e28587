-- What this scan has read.
DELETE FROM maintenance_unread WHERE id = ANY (%(ids)s::bigint[])
