-- Two who enter a payment of an invoice at once wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended('gazelle_sync payment ' || %(invoice)s, 0))
