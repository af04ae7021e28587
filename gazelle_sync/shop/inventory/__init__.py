"""Materials, whose stock they are, and what invoices consume of them."""
