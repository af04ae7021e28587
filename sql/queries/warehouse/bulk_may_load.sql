-- Whether tables may be loaded without indexes and foreign keys: all are empty, and rows are staged for them.
SELECT {are_empty} AND EXISTS (SELECT FROM {staging} WHERE rejected_at IS NULL)
