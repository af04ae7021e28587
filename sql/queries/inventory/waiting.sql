-- Which invoices wait to be looked at (NULL: all), and for how many minutes the oldest does.
SELECT invoice_external_id, (extract(epoch FROM clock_timestamp() - min(changed_at)) / 60)::float8
FROM inventory_unread
GROUP BY 1
