"""TODO: notifications."""
