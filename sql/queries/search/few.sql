-- Whether so little was written since the search last looked that nobody waits for it.
SELECT count(*) < 50 AND count(kind) = count(*) FROM (SELECT kind FROM search_unread LIMIT 50) AS unread
