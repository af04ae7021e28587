"""Fault campaigns: seeded cases that break things, let them heal, and check what is left.

`python -m gazelle_sync_tests.faults` runs them (docs/faults.md).
"""
