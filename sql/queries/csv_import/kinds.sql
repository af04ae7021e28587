-- What was imported at all.
SELECT DISTINCT source, entity FROM staging_import WHERE outcome IN ('imported', 'merged')
