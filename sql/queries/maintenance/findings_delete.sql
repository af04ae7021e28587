-- Forget what some notes said, or all of them.
DELETE FROM maintenance_findings WHERE %(ids)s::text[] IS NULL OR source_external_id = ANY (%(ids)s::text[])
