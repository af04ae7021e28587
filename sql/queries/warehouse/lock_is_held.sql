-- Whether any session holds an advisory lock. Trying to take it instead would make others see it held for a moment.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid, objid, objsubid) = (0, %s, 1)
        AND granted
)
