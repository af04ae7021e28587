-- A message that still waits for the end of a cool-down need not be sent: its incident is over.
UPDATE alert_log
SET status = 'withdrawn', next_try_at = NULL
WHERE occurrence = %s AND kind = 'alert' AND status IN ('pending', 'logged') AND attempts = 0 AND next_try_at > now()
