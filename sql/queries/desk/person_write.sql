-- Somebody who may use the desk. Another role or password ends the sessions. Gives whether they are new.
INSERT INTO desk_people AS p (name, role, password_hash, updated_by)
VALUES (%(name)s, %(role)s, %(hash)s, %(by)s)
ON CONFLICT (name) DO UPDATE
SET role = excluded.role, password_hash = coalesce(excluded.password_hash, p.password_hash),
    session_number = p.session_number + 1, updated_at = now(), updated_by = excluded.updated_by
RETURNING created_at = updated_at
