-- What was written since the last scan; a null source: so much that everything is to be read.
SELECT id, source_external_id FROM maintenance_unread ORDER BY id
