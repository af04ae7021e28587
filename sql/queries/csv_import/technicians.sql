-- Who works here, by what an older system may call them.
SELECT external_id, lower(btrim(concat_ws(' ', first_name, last_name))), lower(btrim(email))
FROM gazelle_users
WHERE deleted_at IS NULL
