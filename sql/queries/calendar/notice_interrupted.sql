-- Whoever sent them is gone, or never got an answer: they may have arrived, and are not sent again.
UPDATE notices
SET status = 'failed', reason = 'interrupted', updated_at = %(now)s::timestamptz
WHERE status = 'due' AND claimed_at < %(now)s::timestamptz - interval '10 minutes'
