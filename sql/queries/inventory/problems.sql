-- Which of the invoices that were looked at (NULL: all) consume something that no stock follows. What stands there already
-- stays, with the time at which it was noticed.
WITH found AS (
    SELECT invoice, problem FROM unnest(%(found)s::text[], %(problems)s::text[]) AS one (invoice, problem)
),
over AS (
    DELETE FROM inventory_problems AS p
    WHERE (%(invoices)s::text[] IS NULL OR p.invoice_external_id = ANY (%(invoices)s::text[]))
        AND NOT EXISTS (SELECT FROM found AS f WHERE (f.invoice, f.problem) = (p.invoice_external_id, p.problem))
)
INSERT INTO inventory_problems (invoice_external_id, problem)
SELECT invoice, problem FROM found
ON CONFLICT DO NOTHING
