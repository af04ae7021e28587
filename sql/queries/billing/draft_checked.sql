-- Keep what a check computed, where nobody has changed the draft since it was read. One that was sent keeps what was sent.
UPDATE invoice_drafts
SET sub_total = %(sub_total)s, tax_total = %(tax_total)s, total = %(total)s, billed_lines = %(lines)s,
    status = CASE WHEN status IN ('draft', 'ready') THEN %(status)s ELSE status END
WHERE id = %(draft)s AND xmin::text = %(version)s AND status <> 'sent'
