-- The day is over, and nobody was told. A visit that was moved back still matters on the day on which it is expected, and
-- notes that are missing on the day after they were asked for.
UPDATE notices
SET status = 'suppressed', reason = 'over', updated_at = %(now)s::timestamptz
WHERE status = 'due'
    AND claimed_at IS NULL
    AND CASE kind
        WHEN 'without_notes' THEN (created_at AT TIME ZONE 'America/Toronto')::date + 1
        ELSE greatest(montreal_day, ((details ->> 'before')::timestamptz AT TIME ZONE 'America/Toronto')::date)
    END < %(today)s::date
