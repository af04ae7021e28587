"""Incidents of the sync: finds what is wrong, alerts once per incident, and again on recovery.

    facts.py      what the database says of runs, ages, errors and pushes
    rules.py      facts → assessments: what is wrong and what was evaluated (pure)
    causes.py     why something failed, in a sentence
    messages.py   an assessment in French or English, without clients' data
    watch.py      runs these in the order in which a crash loses no alert
    outage.py     the one incident that the ledger cannot store: its own database is unreachable

`gazelle_sync.notifications` decides who gets a message, and sends none twice. Nothing here imports
Dagster: the sensors (`gazelle_sync.defs.incidents.sensors`) and the command line bring what they know of a run as
`EndedRun`.
"""
