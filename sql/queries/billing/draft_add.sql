-- Add a line to a draft, at its end; gives its place. A product's name and price stand in where the line says none.
INSERT INTO invoice_draft_items (
    draft_id, description, product_external_id, piano_external_id, quantity, amount, billable, taxable, taxes, updated_by
)
SELECT
    d.id, coalesce(%(description)s, CASE %(language)s WHEN 'fr' THEN coalesce(p.name_fr, p.name_en) ELSE coalesce(p.name_en, p.name_fr) END),
    %(product)s, %(piano)s, %(quantity)s, coalesce(%(amount)s, p.amount), %(billable)s, %(taxable)s, %(taxes)s,
    coalesce(%(who)s, current_user)
FROM invoice_drafts AS d
LEFT JOIN gazelle_products AS p ON p.external_id = %(product)s AND p.deleted_at IS NULL
WHERE d.id = %(draft)s
RETURNING position
