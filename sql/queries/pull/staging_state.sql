-- Whether anything waits for stage 2, and whether the index of what waits is missing (a first import drops it).
SELECT
    EXISTS (SELECT FROM {staging} WHERE sync_status <> 'processed'),
    NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = {name}::regclass AND i.indpred IS NOT NULL)
