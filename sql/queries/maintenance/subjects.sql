-- The pianos (or clients) of which some notes spoke when they were last read.
SELECT DISTINCT subject FROM maintenance_findings WHERE source_external_id = ANY (%(ids)s::text[])
