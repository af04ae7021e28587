"""What every check is given: the database as it stands, what the run knows, and Gazelle where it may be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.errors import SettingsError
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.names import entity_name
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

READING: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
Asked = tuple[str, Mapping[str, Any] | None, Mapping[str, str]]
"""A statement of `sql/queries/`, its parameters, the identifiers to put into it."""
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
    _answers: dict[str, Rows] = field(default_factory=dict, init=False, repr=False)

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
    def reading(self, *first: Question) -> Iterator[tuple[Connection, list[Rows]]]:
        """A transaction that sees one state of the database and cannot write, and what it answers to begin with.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        with borrow(self.url) as connection:
            answers = together(connection, *self._limits, *first, begin=READING, ends=False)
            yield connection, answers[len(self._limits) :]
            connection.commit()

    def look_up(self, *wanted: Asked) -> None:
        """Ask several statements in one round trip, of one state of the database; `rows` has their answers then.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        new = {_key(asked): _question(asked) for asked in wanted if _key(asked) not in self._answers}
        if new:
            with borrow(self.url) as connection:
                answers = together(connection, *self._limits, *new.values(), begin=READING)
            self._answers.update(zip(new, answers[len(self._limits) :], strict=True))

    def rows(self, name: str, parameters: Mapping[str, Any] | None = None, /, **names: str) -> Rows:
        """The rows of a statement of `sql/queries/`, asked once a round.

        Args:
            name: Of the statement.
            parameters: To bind.
            names: Identifiers to put into it.
        """
        asked = asks(name, parameters, **names)
        self.look_up(asked)
        return self._answers[_key(asked)]

    def rows_of_each(self, name: str, each: Iterable[Mapping[str, str]]) -> list[Rows]:
        """The rows of a statement of `sql/queries/` for each of several tables.

        Args:
            name: Of the statement.
            each: The identifiers to put into it.
        """
        every = [asks(name, **names) for names in each]
        self.look_up(*every)
        return [self._answers[_key(asked)] for asked in every]

    @property
    def _limits(self) -> list[Question]:
        return [long_statements()] if self.thorough else []

    @contextmanager
    def client(self) -> Iterator[GazelleClient]:
        """Gazelle, within the shared budget of requests.

        Raises:
            SettingsError: There are no credentials, or no address.
        """
        if self.settings.api_url is None:
            raise SettingsError(gettext("GAZELLE_API_URL is not set, and no sandbox runs: Gazelle cannot be asked."))
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


def asks(name: str, parameters: Mapping[str, Any] | None = None, /, **names: str) -> Asked:
    """What `CheckContext.rows` asks with the same arguments, to be asked together with others."""
    return name, parameters, names


def asks_whether_empty(*entities: str) -> list[Asked]:
    """What `empty` asks."""
    tables = tables_of(entity for entity in ENTITIES if entity.name in entities)
    return [asks("quality/is_empty", **names) for names in tables]


def tables_of(entities: Iterable[Entity]) -> list[dict[str, str]]:
    """The tables of some entities' records, as identifiers to put into a statement."""
    return [{"table": entity.table.name} for entity in entities]


@dataclass(frozen=True)
class Check:
    """One check, declared once for Dagster, the command line and the docs.

    Attributes:
        name: As in `gazelle-sync check --only NAME`.
        title: What it watches, for a person who meets it in the UI.
        judge: Looks, and says what it found.
        blocking: Whether what is made of its asset waits until it passes.
        in_tick: Whether a tick can pay for it.
        asks: What it asks first, for all checks of a round to be asked together.
    """

    name: str
    title: Message
    judge: Callable[[CheckContext, str], Finding]
    blocking: bool = False
    in_tick: bool = False
    asks: Callable[[CheckContext], Iterable[Asked]] = lambda _: ()


NOTHING_THERE = Message("{what}: the table is empty. An empty table proves nothing.")
REALLY_NOTHING = Message("{what}: there are none, here or at Gazelle.")
FILL = Message("Run `gazelle-sync sync`; if rows were removed by hand, `gazelle-sync replay`.")


def empty(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """The finding where the table of some entity is empty, None where all hold rows.

    It passes only if Gazelle itself said that it has none: of every entity that is empty.
    """
    looked_at = [entity for entity in ENTITIES if entity.name in entities]
    bare = [
        entity
        for entity, rows in zip(looked_at, context.rows_of_each("quality/is_empty", tables_of(looked_at)), strict=True)
        if rows == [(True,)]
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


def _key(asked: Asked) -> str:
    return repr(asked)


def _question(asked: Asked) -> Question:
    name, parameters, names = asked
    return sql.SQL(statement(name)).format(**{place: sql.Identifier(n) for place, n in names.items()}), parameters
