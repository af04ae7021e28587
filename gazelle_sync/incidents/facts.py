"""What the rules evaluate: read from the database once, for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import UNKNOWN, Cause
from gazelle_sync.quality.finding import Severity
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.lock import PULL_LOCK
from gazelle_sync.warehouse.pool import Question, Rows

RUNS_LOOKED_AT = 20
HISTORY = 20
TABLES_PRESENT = (
    "SELECT to_regclass('public.alert_log') IS NOT NULL, to_regclass('public.sync_gazelle_logs') IS NOT NULL, "
    "to_regclass('public.inventory_problems') IS NOT NULL, EXISTS (SELECT FROM pg_catalog.pg_attribute "
    "WHERE attrelid = to_regclass('public.alert_log') AND attname = 'details' AND NOT attisdropped)"
)
"""The query for `TablesPresent`, one row."""


class TablesPresent(NamedTuple):
    """Which tables a database has: migrations may be pending.

    Attributes:
        has_ledger: `alert_log`.
        has_push: The push's log.
        has_stock: The stock's tables.
        has_details: A place for what an alert's words are made of.
    """

    has_ledger: bool
    has_push: bool
    has_stock: bool
    has_details: bool


ALL_TABLES = TablesPresent(True, True, True, True)

SECONDS_SINCE_FIRST_RUN = "SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float8 FROM sync_logs"


@dataclass(frozen=True)
class Failure:
    """Why an entity failed in the newest run that concerned it.

    Attributes:
        run_id: Of the Dagster run.
        cause: As stored in `sync_logs`.
    """

    run_id: str
    cause: Cause = UNKNOWN


@dataclass(frozen=True)
class Health:
    """One entity's age and errors.

    Attributes:
        age: Time since its last successful pull, by the database's clock; None: there was none.
        errors: Records in error.
        errors_last_hour: Of these, those that came within the hour.
    """

    age: timedelta | None
    errors: int
    errors_last_hour: int


@dataclass(frozen=True)
class RunTime:
    """How long the newest run of a mode took (or has been running), and how long successful ones take.

    Attributes:
        mode: `tick`, `nightly`, …
        run_id: Of the Dagster run.
        seconds: Its duration so far.
        usual_s: The median of the successful runs before; None: too few.
        is_running: Whether it is still running.
    """

    mode: str
    run_id: str
    seconds: float
    usual_s: float | None
    is_running: bool


@dataclass(frozen=True)
class PushErrors:
    """Failed push actions.

    Attributes:
        last_hour: Within the hour.
        worst_run: The most of one run that did something within the hour, however long it takes.
        run_id: That run, or None.
        changes: How many edits these are; one that was tried several times counts once.
    """

    last_hour: int = 0
    worst_run: int = 0
    run_id: str | None = None
    changes: int = 0


@dataclass(frozen=True)
class LowStock:
    """A material that a technician has too little of.

    Attributes:
        product_id: In `shop_products`.
        technician: By Gazelle's id.
        name_fr: What the material is called in French.
        name_en: In English.
        technician_name: What the technician is called.
        quantity: How much there is, over all places.
        threshold: At or below it the material is to be ordered; None: never.
        least: The least of all places.
    """

    product_id: int
    technician: str
    name_fr: str
    name_en: str
    technician_name: str
    quantity: Decimal
    threshold: Decimal | None
    least: Decimal

    @property
    def subject(self) -> str:
        """Identifies it among all stocks."""
        return f"{self.product_id}:{self.technician}"


@dataclass(frozen=True)
class StockFacts:
    """What is wrong with the stock.

    Attributes:
        low: Materials at or below their threshold, or below zero somewhere.
        problems: Invoice and its number → why no stock follows it (`inventory_problems.problem`).
    """

    low: tuple[LowStock, ...] = ()
    problems: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckResult:
    """One evaluation of an asset check.

    Attributes:
        name: Of the check.
        asset: Key of the asset that it watches.
        passed: Whether it passed.
        severity: Given by the check.
        description: Its text for people; may quote rows.
    """

    name: str
    asset: str
    passed: bool
    severity: Severity
    description: str = ""

    @property
    def subject(self) -> str:
        """Identifies it among all checks."""
        return f"{self.asset}:{self.name}"


@dataclass(frozen=True)
class EndedRun:
    """What Dagster knows of a run that ended.

    Attributes:
        run_id: Of the Dagster run; None: it could not begin.
        job: Its job.
        succeeded: Whether every step did.
        cause: Why it failed.
        checks: What the asset checks found in it.
        is_superseded: Whether a newer run of the job has ended meanwhile, whose result counts instead.
        only_checks_failed: Whether only blocking checks failed, which have alerts of their own.
    """

    run_id: str | None
    job: str
    succeeded: bool
    cause: Cause = UNKNOWN
    checks: tuple[CheckResult, ...] = ()
    is_superseded: bool = False
    only_checks_failed: bool = False


@dataclass(frozen=True)
class Facts:
    """What the rules evaluate.

    Attributes:
        failures: Entity → why it failed, for those that did.
        health: Entity → its age and errors.
        synced_for: How long ago the first run of this database began; None: there was none.
        run_times: The newest run of each mode.
        push: Failed push actions; None: this database has no push.
        stock: What is wrong with the stock; None: this database has none.
        failed_pulls: Newest pulls with an error in `sync_logs`: the rule `failed_run` covers those.
        ended: The run that has just ended, or None.
        pause: How much longer than 15 minutes the schedule leaves between two ticks.
    """

    failures: Mapping[str, Failure] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)
    synced_for: timedelta | None = None
    run_times: tuple[RunTime, ...] = ()
    push: PushErrors | None = None
    stock: StockFacts | None = None
    failed_pulls: frozenset[str] = frozenset()
    ended: EndedRun | None = None
    pause: timedelta = timedelta(0)


def fact_questions(tables: TablesPresent) -> list[Question]:
    """The queries for the facts, for one round trip to a database with these tables; `facts_in` reads the answers."""
    names = [entity.name for entity in ENTITIES]
    failed_pulls = (
        "SELECT run_id FROM sync_logs WHERE status = 'error' AND task_type IN ('pull', 'replay') "
        "ORDER BY id DESC LIMIT %s"
    )
    return [
        (statement("incidents/failures"), {"runs": RUNS_LOOKED_AT, "entities": names}),
        (statement("incidents/health"), None),
        (statement("incidents/run_times"), {"history": HISTORY}),
        (statement("warehouse/lock_is_held"), [PULL_LOCK]),  # without it, a row that says `running` is of a killed run
        (SECONDS_SINCE_FIRST_RUN, None),
        (failed_pulls, [RUNS_LOOKED_AT]),
        *([(statement("incidents/push"), None)] if tables.has_push else []),
        *(
            [(statement("incidents/stock"), None), (statement("incidents/stock_problems"), None)]
            if tables.has_stock
            else []
        ),
    ]


def facts_in(
    answers: Sequence[Rows], ended: EndedRun | None, tables: TablesPresent, *, pause: timedelta = timedelta(0)
) -> Facts:
    """The facts.

    Args:
        answers: To `fact_questions`.
        ended: The run that has just ended, or None.
        tables: As `fact_questions` was told.
        pause: How much longer than 15 minutes the schedule leaves between two ticks.
    """
    failures, health, runs, [(is_running,)], [(synced_for_s,)], failed_pulls, *rest = answers
    push, stock = (rest[:1], rest[1:]) if tables.has_push else ([], rest)
    return Facts(
        failures={
            entity: Failure(run_id, Cause(code or UNKNOWN.code, number))
            for entity, reason, code, number, run_id in failures
            if reason
        },
        health={entity: Health(_duration(age_s), errors, recent) for entity, age_s, errors, recent in health},
        synced_for=_duration(synced_for_s),
        run_times=tuple(_run_times(runs, pull_is_running=is_running)),
        push=_push_errors(*push) if push else None,
        stock=_stock(*stock) if stock else None,
        failed_pulls=frozenset(run_id for (run_id,) in failed_pulls),
        ended=ended,
        pause=pause,
    )


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _run_times(rows: list[tuple[Any, ...]], *, pull_is_running: bool) -> list[RunTime]:
    now = datetime.now(UTC)
    times = []
    for mode, run_id, status, started_at, duration_s, usual_s in rows:
        is_running = status == "running"
        if is_running and not pull_is_running:
            continue
        seconds = (now - started_at).total_seconds() if is_running else duration_s
        if seconds is not None:
            times.append(RunTime(mode, run_id, seconds, usual_s, is_running))
    return times


def _stock(low: Rows, problems: Rows) -> StockFacts:
    return StockFacts(
        tuple(LowStock(*row) for row in low), {(invoice, number): problem for invoice, number, problem in problems}
    )


def _push_errors(rows: Rows) -> PushErrors:
    if not rows:
        return PushErrors()
    by_run = [(whole, run_id) for run_id, _, whole, _ in rows if run_id]
    worst, run_id = max(by_run, default=(0, None), key=lambda found: found[0])
    return PushErrors(sum(recent for _, recent, _, _ in rows), worst, run_id, changes=rows[0][3])
