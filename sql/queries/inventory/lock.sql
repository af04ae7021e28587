-- One consumption at a time: the difference to what was consumed is taken and written under it.
SELECT pg_advisory_xact_lock(%(lock)s)
