-- Whether invoices wait to be looked at.
SELECT EXISTS (SELECT FROM inventory_unread)
