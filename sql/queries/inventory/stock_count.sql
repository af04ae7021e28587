-- How many stocks there are.
SELECT count(*) FROM inventory_stock
