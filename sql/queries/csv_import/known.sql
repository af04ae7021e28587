-- What became of rows that were read before.
SELECT row_hash, repetition, outcome, old_id, external_id
FROM staging_import
WHERE source = %(source)s AND entity = %(entity)s AND row_hash = ANY (%(hashes)s)
