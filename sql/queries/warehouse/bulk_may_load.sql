-- Whether tables may be loaded without their keys: all are empty, and something is staged for them.
SELECT {are_empty} AND EXISTS (SELECT FROM {staging} WHERE rejected_at IS NULL)
