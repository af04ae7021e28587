-- Messages that could not be delivered, are due, or were claimed by a process that was killed; and the newest error.
SELECT count(*), (array_agg(last_error ORDER BY id DESC) FILTER (WHERE last_error IS NOT NULL))[1]
FROM alert_log
WHERE status IN ('pending', 'sending', 'failed') AND (attempts > 0 OR next_try_at <= now())
