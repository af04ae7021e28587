-- Some records, from blocks drawn at random.
SELECT external_id FROM {staging} TABLESAMPLE SYSTEM (%(percent)s) LIMIT %(count)s
