-- Take a line off a draft, by its place; where a row is named, another one that stands there by now stays.
DELETE FROM invoice_draft_items
WHERE draft_id = %(draft)s AND position = %(position)s AND id = coalesce(%(line)s::bigint, id)
