-- How many living rows there are of which staging holds no version, and how many living rows.
SELECT count(*) FILTER (WHERE staged.external_id IS NULL), count(*)
FROM {table} AS held
LEFT JOIN (SELECT DISTINCT external_id FROM {staging} WHERE rejected_at IS NULL) AS staged
    ON staged.external_id = held.{key}
WHERE held.deleted_at IS NULL AND NOT starts_with(held.external_id, 'v4_')
