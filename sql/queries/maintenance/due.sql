-- Whether notes, readings or alerts were written since the last scan.
SELECT EXISTS (SELECT FROM maintenance_unread)
