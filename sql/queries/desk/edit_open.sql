-- A row for a piano of which nobody has written anything yet.
INSERT INTO vincent_dindy_piano_updates (gazelle_id, updated_by)
SELECT p.external_id, %(who)s
FROM gazelle_pianos AS p
WHERE p.external_id = %(id)s
    AND NOT EXISTS (SELECT FROM vincent_dindy_piano_updates AS t WHERE gazelle.bare_id(t.gazelle_id::text) = p.external_id)
ON CONFLICT DO NOTHING
