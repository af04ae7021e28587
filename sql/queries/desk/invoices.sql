-- Invoices of a list, those first that are due first, or the newest. What is to be paid is told as
-- `billing/invoices.sql` tells it.
SELECT
    i.external_id, i.number, i.invoice_date, i.due_on, i.status, i.total, i.due_total, i.client_external_id, c.display_name,
    count(*) OVER (), sum(i.due_total) OVER ()
FROM gazelle_invoices AS i
LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
WHERE i.deleted_at IS NULL
    AND NOT i.is_stub
    AND CASE %(list)s::text
        WHEN 'overdue' THEN
            NOT coalesce(i.archived, false) AND (i.status = 'OVERDUE' OR (i.status = 'OPEN' AND i.due_on < %(today)s))
        WHEN 'open' THEN NOT coalesce(i.archived, false) AND i.status IN ('OPEN', 'OVERDUE')
        WHEN 'draft' THEN NOT coalesce(i.archived, false) AND i.status = 'DRAFT'
        WHEN 'paid' THEN i.status = 'PAID'
        ELSE true
    END
ORDER BY
    CASE WHEN %(list)s::text IN ('overdue', 'open') THEN i.due_on END NULLS LAST,
    i.invoice_date DESC NULLS LAST, i.number DESC NULLS LAST, i.external_id
LIMIT %(most)s OFFSET %(after)s
