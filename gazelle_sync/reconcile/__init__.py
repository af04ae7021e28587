"""Reconcilers: one raw Gazelle body in, typed table rows out.

One module an entity. A reconciler is a pure function: no I/O, no clock, no Dagster. What belongs here is the mapping of
fields to columns and nothing else; how rows reach PostgreSQL is `gazelle_sync.pull.apply`'s affair.
"""
