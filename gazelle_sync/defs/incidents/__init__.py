"""TODO: incidents."""
