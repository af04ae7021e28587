"""Thin assets: each calls the room below and reports what it did as metadata."""
