-- What became of notices that were claimed: sent, not to be sent again, or due again after a pause that doubles.
UPDATE notices
SET status = %(status)s,
    reason = %(reason)s,
    sent_at = CASE %(status)s::text WHEN 'sent' THEN %(now)s::timestamptz END,
    claimed_at = CASE WHEN %(status)s::text <> 'due' THEN claimed_at END,
    due_at = CASE %(status)s::text
        WHEN 'due' THEN %(now)s::timestamptz + least(interval '1 hour', interval '1 minute' * power(2, least(attempts, 20) - 1))
        ELSE due_at
    END,
    updated_at = %(now)s::timestamptz
WHERE id = ANY (%(ids)s) AND status = 'due'
