-- Which of some records are held, as a body or as a tombstone.
SELECT DISTINCT external_id
FROM {staging}
WHERE rejected_at IS NULL AND external_id = ANY (%s)
