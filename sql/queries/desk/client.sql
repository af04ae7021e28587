-- A client.
SELECT
    c.external_id, c.display_name, c.email, c.phone, c.city, coalesce(c.tags, '{}'),
    concat_ws(E'\n', nullif(c.personal_notes, ''), nullif(c.preference_notes, '')), c.deleted_at
FROM gazelle_clients AS c
WHERE c.external_id = %(id)s
