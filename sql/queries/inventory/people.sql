-- The people of the shop, whoever left included: id, first and last name, whether they are still there.
SELECT external_id, coalesce(first_name, ''), coalesce(last_name, ''), deleted_at IS NULL
FROM gazelle_users
