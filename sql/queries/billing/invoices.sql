-- Drafts that are no invoice at Gazelle yet, as far as the last pull knows, then Gazelle's invoices, the newest first; one
-- of which a draft waits or is held says so. Overdue: those of Gazelle's that are open after the day on which they were due.
SELECT
    d.external_id, d.id, NULL::integer, coalesce(c.display_name, c.company_name, d.client_external_id), d.status, d.due_on,
    d.total, NULL::numeric
FROM invoice_drafts AS d
LEFT JOIN gazelle_clients AS c ON c.external_id = d.client_external_id
WHERE NOT %(overdue)s
    AND d.status <> 'canceled'
    AND NOT EXISTS (SELECT FROM gazelle_invoices AS i WHERE i.external_id = d.external_id)
UNION ALL
(
    SELECT
        i.external_id, d.id, i.number, coalesce(c.display_name, c.company_name, i.client_external_id),
        CASE WHEN d.status IN ('draft', 'ready', 'held') AND NOT %(overdue)s THEN d.status ELSE i.status END, i.due_on,
        i.total, i.due_total
    FROM gazelle_invoices AS i
    LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
    LEFT JOIN invoice_drafts AS d ON d.external_id = i.external_id
    WHERE i.deleted_at IS NULL
        AND NOT i.is_stub
        AND NOT coalesce(i.archived, false)
        AND CASE
            WHEN %(overdue)s THEN i.status = 'OVERDUE' OR (i.status = 'OPEN' AND i.due_on < %(today)s)
            ELSE i.status IN ('DRAFT', 'OPEN', 'OVERDUE')
        END
    ORDER BY i.due_on, i.number DESC
)
