"""Many shops in one place: the folder that names them, whose turn it is, and a process for each of them.

    folder.py       `shops.d/`: which shops there are, and which of its files make no sense
    turns.py        whose turn it is, how they are put together, how long a shop that failed waits (pure)
    children.py     starts the fork server and reads what became of each shop
    fork_server.py  the process that has imported everything and forks a child a shop, with its limits
    work.py         what a child does: a pull, what follows it, edits, alerts
    status.py       what people read of the fleet

Nothing here imports Dagster: `gazelle_sync.defs.fleet` makes runs of it.
"""
