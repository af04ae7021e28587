-- The day is over, and nobody was told.
UPDATE notices
SET status = 'suppressed', reason = 'over', updated_at = %(now)s::timestamptz
WHERE status = 'due'
    AND claimed_at IS NULL
    AND montreal_day < %(today)s::date - CASE kind WHEN 'without_notes' THEN 1 ELSE 0 END
