-- An edit, as a person would make it: triggers mark what Gazelle is to know. What stays in the shop moves no date, which
-- would say of the rest that it was edited later.
UPDATE vincent_dindy_piano_updates AS t
SET {column} = %(value)s, updated_at = CASE WHEN %(is_pushed)s THEN clock_timestamp() ELSE t.updated_at END,
    updated_by = CASE WHEN %(is_pushed)s THEN %(who)s ELSE t.updated_by END
WHERE gazelle.bare_id(t.gazelle_id::text) = %(id)s
