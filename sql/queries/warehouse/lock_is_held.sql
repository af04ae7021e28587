-- Whether somebody holds an advisory lock. Trying to take it would hold it for a moment, in which others see it held.
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid, objid, objsubid) = (0, %s, 1)
        AND granted
)
