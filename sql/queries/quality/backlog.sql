-- Of each entity: what waits to be applied, and for how many minutes the oldest has.
SELECT entity, backlog, extract(epoch FROM now() - backlog_since) / 60 FROM v_sync_health WHERE backlog > 0
