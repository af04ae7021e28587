"""What of the shop's own work follows a pull: each slice says by one statement whether something waits for it.

Triggers note what a pull wrote, so a pull that changed nothing of it costs one statement and starts no run. The sensor
in `gazelle_sync.defs.shop` starts the jobs; `gazelle-sync sync` runs them before it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together


@dataclass(frozen=True)
class Follower:
    """A job that follows the pull.

    Attributes:
        job: Its name in Dagster.
        due: Name of the statement in `sql/queries/` that says whether something waits for it.
    """

    job: str
    due: str


FOLLOWERS = (
    Follower("follow_invoices", "inventory/due"),
    Follower("scan_maintenance", "maintenance/due"),
    Follower("tell_technicians_of_visits", "calendar/notices_due"),
    Follower("index_search", "search/due"),
)
"""In the order in which they run."""


def jobs_due(connection: Connection) -> list[str]:
    """The jobs for which something waits, asked in one round trip.

    Args:
        connection: To a database that is up to date.
    """
    return jobs_in(together(connection, *due_questions()))


def due_questions() -> list[Question]:
    """The statements of all followers, to be asked with others."""
    return [(statement(follower.due), None) for follower in FOLLOWERS]


def jobs_in(answers: Sequence[Rows]) -> list[str]:
    """The jobs for which something waits, by the answers to `due_questions`."""
    return [follower.job for follower, [(is_due,)] in zip(FOLLOWERS, answers, strict=True) if is_due]
