-- Messages that were tried in vain, are due and not sent, or were claimed by a process that died; and why, of the newest.
SELECT count(*), (array_agg(last_error ORDER BY id DESC) FILTER (WHERE last_error IS NOT NULL))[1]
FROM alert_log
WHERE status IN ('pending', 'sending', 'failed') AND (attempts > 0 OR next_try_at <= now())
