-- Two processes never make notices of the same difference.
SELECT pg_advisory_xact_lock(%(lock)s)
