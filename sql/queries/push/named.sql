-- Records that rows of a table name already, of those given.
SELECT external_id FROM push_state WHERE source_table = {source} AND external_id = ANY (%(records)s::text[])
