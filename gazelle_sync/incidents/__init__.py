"""Incidents of the sync: what is wrong is found, told once to whoever should hear it, and told when it is over.

    facts.py      what the database says of runs, ages, errors and pushes
    rules.py      facts → assessments: what is in trouble and what was looked at (pure)
    messages.py   an assessment in French or English, without a client's particulars
    watch.py      all of it, in the order in which nothing is lost
    outage.py     the one trouble that the ledger cannot hold: its own database is out of reach

Who is told, and that nobody is told twice, is the business of `gazelle_sync.notifications`. Nothing here imports
Dagster: the sensors (`gazelle_sync.defs.incidents.sensors`) and the command line bring what they know of a run as
`EndedRun`.
"""
