"""TODO: defs."""
