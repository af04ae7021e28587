-- The service accepted the message.
UPDATE alert_log
SET status = 'sent', sent_at = now(), next_try_at = NULL, last_error = NULL
WHERE id = %s AND status = 'sending'
