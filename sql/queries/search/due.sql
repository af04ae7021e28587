-- Whether something was written since the search last looked.
SELECT EXISTS (SELECT FROM search_unread)
