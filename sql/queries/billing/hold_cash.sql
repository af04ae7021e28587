-- Two digests at once wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('gazelle_sync cash digest', 0))
