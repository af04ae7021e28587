-- A person sends a draft: what the check computed is what goes, where nobody has changed it since it was read.
UPDATE invoice_drafts
SET sub_total = %(sub_total)s, tax_total = %(tax_total)s, total = %(total)s, billed_lines = %(lines)s,
    gazelle_sub_total = NULL, gazelle_tax_total = NULL, gazelle_total = NULL, status = 'ready', gazelle_status = 'OPEN',
    send_requested_at = clock_timestamp(), updated_by = coalesce(%(who)s, current_user)
WHERE id = %(draft)s AND xmin::text = %(version)s AND status <> 'canceled'
