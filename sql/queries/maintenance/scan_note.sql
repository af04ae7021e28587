-- One row for the scan.
INSERT INTO maintenance_scans (started_at, is_whole, notes, opened, resolved, withdrawn)
VALUES (%(started_at)s, %(is_whole)s, %(notes)s, %(opened)s, %(resolved)s, %(withdrawn)s)
