-- Make a draft; gives its number. The client is one that the last pull knows.
INSERT INTO invoice_drafts (
    client_external_id, contact_external_id, assigned_to_external_id, due_on, net_days, notes, top_notes, tags, updated_by
)
VALUES (
    %(client)s, %(contact)s, %(assigned_to)s, %(due_on)s, %(net_days)s, %(notes)s, %(top_notes)s, %(tags)s,
    coalesce(%(who)s, current_user)
)
RETURNING id
