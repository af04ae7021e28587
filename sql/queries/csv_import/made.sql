-- Rows that became records, import by import, in the order in which they were read: the next so many. Of a record that
-- several imports brought, what the last one brought.
SELECT import_id, id, line, row_hash, repetition, raw_data, file, external_id
FROM staging_import AS s
WHERE source = %(source)s AND entity = %(entity)s AND outcome IN ('imported', 'merged')
    AND (import_id, id) > (%(import_id)s, %(id)s)
    AND NOT EXISTS (
        SELECT FROM staging_import AS later
        WHERE later.entity = s.entity AND later.old_id = s.old_id AND later.source = s.source
            AND later.import_id > s.import_id AND later.outcome IN ('imported', 'merged')
    )
ORDER BY import_id, id
LIMIT %(most)s
