-- What lies a day back is nobody's concern any more.
DELETE FROM notice_views
WHERE coalesce(told_at, '-infinity') < %(now)s::timestamptz - interval '1 day'
