"""Thin asset checks: each lets a group of `gazelle_sync.trust` look, and reports what it found."""
