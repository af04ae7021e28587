-- Which columns of some tables are jsonb.
SELECT table_name, column_name
FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'jsonb' AND table_name = ANY (%s)
