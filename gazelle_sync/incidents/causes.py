"""Why something failed, in a sentence for people: by the code that an error has (`gazelle_sync.errors`).

It imports nothing else of ours, since a fleet's run with Dagster says causes too and needs nothing more of incidents.
"""

from __future__ import annotations

from gazelle_sync.errors import Cause
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message

CAUSES = {
    "mass_deletion": Message(
        "{number} records or more are gone at Gazelle at once. Nothing was deleted here. Look at Gazelle; if they "
        "really were deleted, `gazelle-sync status` shows the command that lets it through."
    ),
    "mass_emptying": Message(
        "Gazelle sent empty tags for {number} records at once. They were set aside, nothing was emptied here. Look at "
        "Gazelle; `gazelle-sync status` shows the command that lets it through."
    ),
    "mass_vanishing": Message(
        "Gazelle leaves out {number} contacts, items or other parts of records at once. Those records were set aside, "
        "nothing was removed here. Look at Gazelle; `gazelle-sync status` shows the command that lets it through."
    ),
    "wrong_account": Message(
        "The database holds another account than the one that is set. Nothing was done. Check GAZELLE_API_URL and "
        "GAZELLE_DATABASE_URL."
    ),
    "credentials": Message(
        "Gazelle refuses the credentials, or there are none. Check GAZELLE_API_TOKEN, or authorize the OAuth "
        "application again."
    ),
    "dagster_database": Message(
        "Dagster's own database cannot be reached, or refuses. Check GAZELLE_DAGSTER_POSTGRES_URL and the room on its "
        "disk."
    ),
    "disk": Message("A disk is full. Free some space; the next run does the rest."),
    "rights": Message("PostgreSQL refuses the role that is set. Grant it gazelle_writer, or use the owner's."),
    "database": Message(
        "PostgreSQL cannot be reached or refuses. Check that the server runs and accepts connections from this machine."
    ),
    "another_run": Message("Another run was still going. If this lasts, `gazelle-sync status` shows which."),
    "stopped": Message(
        "The run was stopped or its process was killed. What it committed is kept; the next run does the rest."
    ),
    "time_limit": Message(
        "The run took longer than a shop's run may, and was ended. What it committed is kept; the next run does the "
        "rest. `gazelle-sync fleet doctor` shows whether Gazelle and the database answer."
    ),
    "memory_limit": Message(
        "The run needed more memory than a shop's run may have, and was ended. What it committed is kept. If it "
        "happens again, raise GAZELLE_FLEET_MEMORY_MB."
    ),
    "unreachable": Message("Gazelle cannot be reached, or does not answer in time. Each run tries again."),
    "http": Message(
        "Gazelle answers with HTTP {number}. Each run tries again; `gazelle-sync doctor` shows whether the fault "
        "is here."
    ),
    "staging": Message(
        "The staging tables lost rows, so a replay would lose them too. Nothing was replayed. `gazelle-sync sync "
        "--full` reads them again."
    ),
    "answered_errors": Message(
        "Gazelle answers with errors. Each run tries again; the messages are on the run's page."
    ),
    "unreadable": Message("Gazelle's answer cannot be read (a proxy's page, or cut short). Each run tries again."),
    "command": Message("A command was asked for something that makes no sense. What it printed says why."),
    "settings": Message("A variable is missing or not valid. `gazelle-sync doctor` shows which."),
    "fault": Message(
        "gazelle_sync failed on something that it does not expect. What was done is kept; the log file says "
        "where it happened."
    ),
    "unknown": Message("The cause is not known. The error is on the run's page and in the log file."),
}


def describe_cause(cause: Cause) -> str:
    """A cause in a sentence, in the language of this process."""
    return gettext(CAUSES.get(cause.code, CAUSES["unknown"]), number="" if cause.number is None else cause.number)
