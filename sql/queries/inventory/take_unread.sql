-- The invoices that were written since consumption was last looked at (NULL: all of them), and they wait no more.
WITH taken AS (
    DELETE FROM inventory_unread RETURNING invoice_external_id
)
SELECT DISTINCT invoice_external_id FROM taken
