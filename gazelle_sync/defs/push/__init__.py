"""TODO: push."""
