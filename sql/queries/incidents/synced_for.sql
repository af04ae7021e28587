-- Seconds since the first run of this database began.
SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float8 FROM sync_logs
