-- The message was not accepted: it is sent again after a pause that doubles.
UPDATE alert_log
SET status = 'failed',
    last_error = %(reason)s,
    was_interrupted = was_interrupted OR %(may_have_arrived)s,
    next_try_at = now() + least(%(longest)s::interval, %(first)s::interval * power(2, least(attempts, 20) - 1))
WHERE id = %(id)s AND status = 'sending'
