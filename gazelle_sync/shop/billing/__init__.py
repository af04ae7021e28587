"""Invoices that are made here: drafts and their lines, the sums that Gazelle will answer, and what was paid."""
