-- A payment that was entered here.
SELECT external_id, sync_error FROM invoice_draft_payments WHERE id = %(payment)s
