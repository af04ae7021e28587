SELECT import_key FROM inventory_movements WHERE import_key = ANY (%(keys)s)
