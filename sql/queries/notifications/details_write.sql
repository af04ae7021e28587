-- Note what the sentences of new incidents are made of.
UPDATE alert_log AS a
SET details = n.details
FROM unnest(%(occurrences)s::uuid[], %(details)s::jsonb[]) AS n (occurrence, details)
WHERE a.occurrence = n.occurrence
