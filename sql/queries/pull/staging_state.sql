-- Whether nothing is staged, and whether something is that is not in production.
SELECT NOT EXISTS (SELECT FROM {staging}), EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed')
