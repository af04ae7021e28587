-- Make the index of pending rows. It holds only rows that are not processed, a small part of the table.
CREATE INDEX {index} ON {staging} (external_id, fetched_at) WHERE sync_status <> 'processed'
