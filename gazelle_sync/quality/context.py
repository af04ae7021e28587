"""What every check is given: the database as it stands, what the run knows, and Gazelle where it may be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.errors import SettingsError
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.i18n.names import entity_name
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.limits import allow_long_statements

WHOLE_READ = "full pages"
"""The strategy of a report whose total is the account's, also where a tick looks at a window only."""


@dataclass(frozen=True)
class ReportedTotal:
    """How many records Gazelle said it has.

    Attributes:
        total: The whole account's.
        errors: Of those, how many it could not give or we could not read.
        at: When; None: in this very run.
    """

    total: int
    errors: int = 0
    at: datetime | None = None


@dataclass
class CheckContext:
    """One round of checks.

    Attributes:
        settings: With `database_url` filled in.
        thorough: Whether every row is looked at; else a sample, which a tick can pay for.
        asks_gazelle: Whether Gazelle may be asked (a tick's requests are counted).
        is_fresh: Whether what was remembered of Gazelle's schema is asked anew.
        reports: What the run has done so far, where the checks are part of a pull.
    """

    settings: Settings
    thorough: bool = True
    asks_gazelle: bool = True
    is_fresh: bool = True
    reports: Mapping[str, EntityReport] = field(default_factory=dict)
    _connection: Connection | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> CheckContext:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def language(self) -> str:
        """`en` or `fr`."""
        return self.settings.language

    @property
    def url(self) -> str:
        """Of the shop's database."""
        return str(self.settings.database_url)

    def say(self, text: str | Plural, **values: object) -> str:
        """A sentence in the shop's language."""
        return translator(self.language)(text, **values)

    def name(self, entity: str) -> str:
        """What staff call an entity."""
        return entity_name(translator(self.language), entity)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot write.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        with database_errors():
            if self._connection is None or self._connection.closed:
                self._connection = connect(self.url)
                self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._connection.read_only = True
            with self._connection.transaction():
                if self.thorough:
                    allow_long_statements(self._connection)
                yield self._connection

    def rows(self, name: str, parameters: Mapping[str, Any] | None = None, **names: str) -> list[tuple[Any, ...]]:
        """The rows of a statement of `sql/queries/`.

        Args:
            name: Of the statement.
            parameters: To bind.
            names: Identifiers to put into it.
        """
        with self.reading() as connection:
            query = sql.SQL(statement(name)).format(**{place: sql.Identifier(value) for place, value in names.items()})
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def client(self) -> Iterator[GazelleClient]:
        """Gazelle, within the shared budget of requests.

        Raises:
            SettingsError: There are no credentials, or no address.
        """
        if self.settings.api_url is None:
            raise SettingsError("GAZELLE_API_URL is not set, and no sandbox runs: Gazelle cannot be asked.")
        with closing(client_for(self.settings)) as client:
            yield client

    def last_reported_totals(self) -> dict[str, ReportedTotal]:
        """Entity → what Gazelle said in this run or, for what it did not ask, in the last one that did."""
        found: dict[str, ReportedTotal] = {}
        for run_at, stats in self.rows("quality/runs"):
            for entity in ENTITIES:
                report = stats.get(entity.name)
                if entity.name not in found and isinstance(report, dict) and _is_whole(entity, report):
                    found[entity.name] = ReportedTotal(int(report["total"]), int(report.get("errors") or 0), run_at)
        for entity in ENTITIES:
            live = self.reports.get(entity.name)
            if live is not None and _is_whole(entity, live.as_stats()):
                found[entity.name] = ReportedTotal(int(live.total or 0), live.errors)
        return found


@dataclass(frozen=True)
class Check:
    """One check, declared once for Dagster, the command line and the docs.

    Attributes:
        name: As in `gazelle-sync check --only NAME`.
        title: What it watches, for a person who meets it in the UI.
        judge: Looks, and says what it found.
        blocking: Whether what is made of its asset waits until it passes.
        in_tick: Whether a tick can pay for it.
    """

    name: str
    title: Message
    judge: Callable[[CheckContext, str], Finding]
    blocking: bool = False
    in_tick: bool = False


NOTHING_THERE = Message("{what}: the table is empty. An empty table proves nothing.")
REALLY_NOTHING = Message("{what}: there are none, here or at Gazelle.")
FILL = Message("Run `gazelle-sync sync`; if rows were removed by hand, `gazelle-sync replay`.")


def empty(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """The finding where the table of some entity is empty, None where all hold rows.

    It passes only if Gazelle itself said that it has none: of every entity that is empty.
    """
    bare = [
        entity
        for entity in ENTITIES
        if entity.name in entities and context.rows("quality/is_empty", table=entity.table.name) == [(True,)]
    ]
    if not bare:
        return None
    told = context.last_reported_totals()
    unexplained = [entity.name for entity in bare if entity.name not in told or told[entity.name].total > 0]
    if unexplained:
        what = ", ".join(map(context.name, unexplained))
        return Finding(
            check,
            passed=False,
            summary=context.say(NOTHING_THERE, what=what),
            advice=context.say(FILL),
            numbers={"checked": 0},
        )
    if len(bare) < len(entities):
        return None
    what = ", ".join(context.name(entity.name) for entity in bare)
    return Finding(check, passed=True, summary=context.say(REALLY_NOTHING, what=what), numbers={"checked": 0})


def warning(check: str, summary: str, **more: Any) -> Finding:
    """A finding that has not passed, as a warning."""
    return Finding(check, passed=False, severity="warning", summary=summary, **more)


def _is_whole(entity: Entity, report: Mapping[str, Any]) -> bool:
    """Whether a report's total is the whole account's (a tick counts the appointments of its window only)."""
    if report.get("total") is None or report.get("failure") or report.get("partial"):
        return False
    if report.get("strategy") == "backfill":
        return False
    return not entity.has_window or report.get("strategy") == WHOLE_READ
