-- Enter a payment, where no more is paid than is due. What waits here is paid already, tips are no part of what is due, and
-- of an invoice that no pull has brought yet the draft says what it comes to.
WITH asked AS (
    SELECT
        coalesce(i.status, 'OPEN') AS status,
        coalesce(i.due_total, d.total, 0) - coalesce((
            SELECT sum(w.amount - w.tip)
            FROM invoice_draft_payments AS w
            WHERE w.invoice_external_id = %(invoice)s
                AND (w.external_id IS NULL OR NOT EXISTS (
                    SELECT FROM gazelle_invoice_payments AS p WHERE p.external_id = w.external_id
                ))
        ), 0) AS due
    FROM (SELECT) AS one
    LEFT JOIN gazelle_invoices AS i ON i.external_id = %(invoice)s AND i.deleted_at IS NULL AND NOT i.is_stub
    LEFT JOIN invoice_drafts AS d ON d.external_id = %(invoice)s
    WHERE i.external_id IS NOT NULL OR d.id IS NOT NULL
),
entered AS (
    INSERT INTO invoice_draft_payments (draft_id, invoice_external_id, amount, tip, type, notes, paid_at, updated_by)
    SELECT
        %(draft)s, %(invoice)s, %(amount)s, %(tip)s, %(type)s, %(notes)s,
        coalesce(%(paid_at)s, date_trunc('second', clock_timestamp())), coalesce(%(who)s, current_user)
    FROM asked
    WHERE asked.status NOT IN ('DRAFT', 'CANCELED', 'DELETED') AND %(amount)s - %(tip)s <= asked.due
    RETURNING id
)
SELECT asked.status, asked.due, (SELECT entered.id FROM entered)
FROM asked
