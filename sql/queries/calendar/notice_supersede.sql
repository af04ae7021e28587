-- They say what is not so any more.
UPDATE notices
SET status = 'suppressed', reason = 'superseded', updated_at = %(now)s::timestamptz
WHERE id = ANY (%(ids)s)
