-- Nearly every row is processed: what is left to do is found in an index of its own size.
CREATE INDEX {index} ON {staging} (external_id, fetched_at) WHERE sync_status <> 'processed'
