-- What people of the shop did about a record: edits at the desk, and what was sent to Gazelle.
SELECT at, 'desk', who, field, details ->> 'after', NULL
FROM desk_changes
WHERE record = %(id)s AND action = 'edit' AND refusal IS NULL
UNION ALL
SELECT synced_at, 'sent', NULL, coalesce(field, action), left(request::text, 400), action
FROM sync_gazelle_logs
WHERE piano_id = %(id)s AND status = 'success' AND undone_at IS NULL
ORDER BY 1
