-- What was written since the search last looked (a kind of NULL: everything), and it waits no more.
WITH taken AS (
    DELETE FROM search_unread RETURNING kind, external_id
)
SELECT DISTINCT kind, external_id FROM taken
