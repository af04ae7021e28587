-- The keys of the rows that speak of some records.
SELECT {local} FROM {table} AS t WHERE {record} = ANY (%(records)s::text[]) ORDER BY 1
