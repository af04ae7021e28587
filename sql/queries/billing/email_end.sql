-- What came of the e-mail of an invoice: `sent`, or null where it was refused and may be sent again.
UPDATE invoice_drafts
SET email_status = %(status)s, emailed_at = CASE WHEN %(status)s::text IS NULL THEN NULL ELSE emailed_at END
WHERE id = %(draft)s
