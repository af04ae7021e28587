-- The draft of which an invoice was made.
SELECT id FROM invoice_drafts WHERE external_id = %(invoice)s
