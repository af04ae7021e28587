-- The side that a person took becomes an edit of the row, which the next push sends.
UPDATE {table} AS t SET {column} = %(value)s WHERE {record} = %(record)s
