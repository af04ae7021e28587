-- The payments that no digest has told of, marked as told by that of a day; none where that day has had its digest. The
-- very first digest tells of one day, and marks what is older: it was paid before anybody asked to be told. Its caller
-- holds `hold_cash`, so two digests at once come one after the other.
WITH before AS (
    SELECT
        NOT EXISTS (SELECT FROM cash_told) AS is_first,
        EXISTS (SELECT FROM cash_told WHERE day = %(day)s) AS is_told
),
untold AS (
    SELECT
        p.id, p.external_id, p.invoice_external_id, i.number,
        coalesce(c.display_name, c.company_name, c.external_id) AS client, p.type, p.amount, coalesce(p.tip, 0) AS tip,
        coalesce(p.paid_at, p.gazelle_created_at) AS paid_at, p.notes
    FROM gazelle_invoice_payments AS p
    INNER JOIN gazelle_invoices AS i ON i.external_id = p.invoice_external_id AND i.deleted_at IS NULL
    LEFT JOIN gazelle_clients AS c ON c.external_id = i.client_external_id
    WHERE p.deleted_at IS NULL
        AND p.status = 'SUCCEEDED'
        AND NOT starts_with(p.external_id, 'v4_')
        AND NOT EXISTS (SELECT FROM cash_told AS t WHERE t.payment_external_id = p.external_id)
),
marked AS (
    INSERT INTO cash_told (payment_external_id, day)
    SELECT untold.external_id, %(day)s
    FROM untold
    WHERE NOT (SELECT before.is_told FROM before)
    RETURNING payment_external_id
)
SELECT
    u.external_id, u.invoice_external_id, u.number, u.client, u.type, u.amount, u.tip, u.paid_at, u.notes
FROM untold AS u
INNER JOIN marked AS m ON m.payment_external_id = u.external_id
WHERE u.paid_at > CASE WHEN (SELECT before.is_first FROM before) THEN %(first)s ELSE %(since)s END
ORDER BY u.paid_at, u.id
