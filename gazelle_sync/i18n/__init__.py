"""French and English: what staff call things, and numbers in sentences."""
