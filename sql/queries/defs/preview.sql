-- The rows with the highest ids: those that came last.
SELECT {columns} FROM {table} ORDER BY id DESC LIMIT {rows}
