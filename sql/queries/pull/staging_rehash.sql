-- These bodies are not what their hashes say.
UPDATE {staging} AS s
SET content_hash = found.content_hash
FROM unnest(%(ids)s::uuid[], %(hashes)s::bytea[]) AS found (id, content_hash)
WHERE s.id = found.id
