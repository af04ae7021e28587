"""What a check may use: one state of the database, the reports of the run, and Gazelle where it may be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity, entity_name
from gazelle_sync.errors import SettingsError
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

READ_ONLY_SNAPSHOT: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
Lookup = tuple[str, Mapping[str, Any] | None, Mapping[str, str]]
"""A statement of `sql/queries/`, its parameters, and the identifiers to put into it."""
WHOLE_READ = "full pages"
"""The strategy whose total is the whole account's, where a tick reads only a window."""


@dataclass(frozen=True)
class ReportedTotal:
    """How many records Gazelle said it has.

    Attributes:
        total: The whole account's.
        errors: How many of them could not be read.
        at: When; None: in this run.
    """

    total: int
    errors: int = 0
    at: datetime | None = None


@dataclass
class CheckContext:
    """One round of checks.

    Attributes:
        settings: With `database_url` filled in.
        thorough: Whether every row is checked; else a sample, which is quick enough for a tick.
        may_ask_gazelle: Whether Gazelle may be asked (a tick's requests are counted).
        refreshes_schema: Whether Gazelle's schema is read again even if it was read within a day.
        reports: Of the run so far, where the checks are part of a pull.
    """

    settings: Settings
    thorough: bool = True
    may_ask_gazelle: bool = True
    refreshes_schema: bool = True
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
        """The name of an entity for staff."""
        return entity_name(translator(self.language), entity)

    @contextmanager
    def snapshot(self, *first: Question) -> Iterator[tuple[Connection, list[Rows]]]:
        """A read-only transaction that sees one state of the database, with the answers to its first questions.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        with borrow(self.url) as connection:
            answers = together(connection, *self._limits, *first, begin=READ_ONLY_SNAPSHOT, ends=False)
            yield connection, answers[len(self._limits) :]
            connection.commit()

    def look_up(self, *wanted: Lookup) -> None:
        """Run several statements in one round trip, on one state of the database; `rows` then has their answers.

        Raises:
            DatabaseError: The database cannot be reached.
        """
        new = {_key(one): _question(one) for one in wanted if _key(one) not in self._answers}
        if new:
            with borrow(self.url) as connection:
                answers = together(connection, *self._limits, *new.values(), begin=READ_ONLY_SNAPSHOT)
            self._answers.update(zip(new, answers[len(self._limits) :], strict=True))

    def rows(self, name: str, parameters: Mapping[str, Any] | None = None, /, **names: str) -> Rows:
        """The rows of a statement of `sql/queries/`, which runs once per round of checks.

        Args:
            name: Of the statement.
            parameters: To bind.
            names: Identifiers to put into it.
        """
        wanted = lookup(name, parameters, **names)
        self.look_up(wanted)
        return self._answers[_key(wanted)]

    def rows_of_each(self, name: str, each: Iterable[Mapping[str, str]]) -> list[Rows]:
        """The rows of a statement of `sql/queries/` for each of several tables.

        Args:
            name: Of the statement.
            each: The identifiers to put into it.
        """
        every = [lookup(name, **names) for names in each]
        self.look_up(*every)
        return [self._answers[_key(one)] for one in every]

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
        """Entity → the total that Gazelle gave in this run or, where this run did not ask, in the last one that did."""
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


def lookup(name: str, parameters: Mapping[str, Any] | None = None, /, **names: str) -> Lookup:
    """What `CheckContext.rows` looks up with the same arguments, to be looked up together with others."""
    return name, parameters, names


def emptiness_lookups(*entities: str) -> list[Lookup]:
    """What `finding_if_empty` looks up."""
    tables = tables_of(entity for entity in ENTITIES if entity.name in entities)
    return [lookup("quality/is_empty", **names) for names in tables]


def tables_of(entities: Iterable[Entity]) -> list[dict[str, str]]:
    """The tables of some entities' records, as identifiers to put into a statement."""
    return [{"table": entity.table.name} for entity in entities]


@dataclass(frozen=True)
class Check:
    """One check, declared once for Dagster, the command line and the docs.

    Attributes:
        name: As in `gazelle-sync check --only NAME`.
        title: What it checks, as shown in the UI.
        evaluate: The function that gives its finding.
        blocking: Whether downstream assets wait until it passes.
        in_tick: Whether it is quick enough for a tick.
        lookups: What it looks up first; those of all checks of a round go in one round trip.
    """

    name: str
    title: Message
    evaluate: Callable[[CheckContext, str], Finding]
    blocking: bool = False
    in_tick: bool = False
    lookups: Callable[[CheckContext], Iterable[Lookup]] = lambda _: ()


NOTHING_THERE = Message("{what}: the table is empty. An empty table proves nothing.")
REALLY_NOTHING = Message("{what}: there are none, here or at Gazelle.")
FILL = Message("Run `gazelle-sync sync`; if rows were removed by hand, `gazelle-sync replay`.")


def finding_if_empty(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """The finding where the table of some entity is empty; None where all hold rows.

    It passes only if Gazelle reported a total of 0 for every entity whose table is empty.
    """
    looked_at = [entity for entity in ENTITIES if entity.name in entities]
    bare = [
        entity
        for entity, rows in zip(looked_at, context.rows_of_each("quality/is_empty", tables_of(looked_at)), strict=True)
        if rows == [(True,)]
    ]
    if not bare:
        return None
    reported = context.last_reported_totals()
    unexplained = [entity.name for entity in bare if entity.name not in reported or reported[entity.name].total > 0]
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


def _key(wanted: Lookup) -> str:
    return repr(wanted)


def _question(wanted: Lookup) -> Question:
    name, parameters, names = wanted
    return sql.SQL(statement(name)).format(**{place: sql.Identifier(n) for place, n in names.items()}), parameters
