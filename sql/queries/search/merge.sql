-- What was written waits in a list beside the index, which every search reads from end to end until it is merged. Vacuum
-- does that in its own time; here it is done at once, by a role that may: the index's owner.
SELECT gin_clean_pending_list(i.oid)
FROM pg_catalog.pg_class AS i
WHERE i.relname = 'search_entries_words'
    AND i.relnamespace = 'public'::regnamespace
    AND pg_has_role(i.relowner, 'USAGE')
