-- Withdraw pending messages to recipients that are no longer set.
UPDATE alert_log
SET status = 'withdrawn', next_try_at = NULL, last_error = 'this recipient is no longer in GAZELLE_ALERT_URLS'
WHERE status IN ('pending', 'failed') AND recipient <> ALL (%s::text[])
