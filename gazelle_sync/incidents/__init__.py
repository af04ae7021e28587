"""Alerts: what is wrong is told once, to whoever should hear it, and told again when it is well.

    facts.py      what the database says of runs, ages, errors and pushes
    rules.py      facts → assessments: what is in trouble and what was looked at (pure)
    wording.py    an assessment in French or English, without a client's particulars
    ledger.py     `alert_log`: what is open, what is owed to whom, what was delivered
    delivery.py   Apprise
    watch.py      all of it, in the order in which nothing is lost
    outage.py     the one trouble that the ledger cannot hold: its own database is out of reach

Nothing here imports Dagster: the sensors (`gazelle_sync.defs.incidents.sensors`) and the command line bring what they
know of a run as `EndedRun`.
"""
