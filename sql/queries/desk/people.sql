-- Who may use the desk, and when each last signed in.
SELECT p.name, p.role, p.password_hash IS NOT NULL, (
    SELECT max(l.at) FROM desk_logins AS l WHERE l.name = p.name AND l.succeeded
)
FROM desk_people AS p
ORDER BY p.name
