"""French and English: sentences by gettext, numbers and days by Babel, and what staff call the kinds of record."""
