-- The rows of some records, by the column that names the record.
SELECT {columns} FROM {table} WHERE {key} = ANY (%(ids)s)
