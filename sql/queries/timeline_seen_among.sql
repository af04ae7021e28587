-- Which of some timeline entries a complete read listed.
SELECT external_id FROM seen WHERE external_id = ANY (%s)
