-- One at a time: what was noted is taken, and its words are written, under it.
SELECT pg_advisory_xact_lock(%(lock)s)
