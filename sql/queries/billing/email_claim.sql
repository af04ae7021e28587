-- The e-mail of an invoice is about to be sent: whoever comes second, or later, does not send it.
UPDATE invoice_drafts
SET emailed_at = clock_timestamp(), email_status = 'in_doubt'
WHERE id = %(draft)s AND email_status IS NULL
