"""Our side of the timeline's counts, kept in the database: millions of ids do not belong in this process's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from types import TracebackType

from gazelle_sync.entities import NAMELESS
from gazelle_sync.montreal import montreal_day, parse_instant
from gazelle_sync.pull.timeline_counts import DayCounts, counts_from
from gazelle_sync.warehouse.connect import Connection, database_errors, statement
from gazelle_sync.warehouse.copytext import escaped_all
from gazelle_sync.warehouse.limits import allow_long_statements, long_statements
from gazelle_sync.warehouse.pool import Connections, Question, Rows, together

UNAPPLIED_AT_ONCE = 5000
FOLD_ABOVE = 10_000
"""So many rows of counts beyond two a day are folded: some thousand ticks, or the pages of a first pull."""


class TimelineHeld:
    """What we hold of the timeline: production, corrected by what is staged and not applied yet.

    Args:
        database: Connections, taken for a method each.
    """

    def __init__(self, database: Connections) -> None:
        self._database = database

    def count(self) -> int:
        """How many living entries we hold."""
        return self.counts([]).whole

    def counts(self, days: Iterable[date]) -> DayCounts:
        """How many living entries we hold, in all and from each of some Montreal days on."""
        days = sorted(days)
        held, elsewhere = self._by_day(min(days, default=date.max))
        from_day = counts_from(held)
        return DayCounts(sum(held.values()) + elsewhere, {day: from_day(day) for day in days})

    def days(self) -> dict[date, int]:
        """How many living entries we hold of each Montreal day."""
        held, _ = self._by_day(None)
        return held

    def _by_day(self, since: date | None) -> tuple[dict[date, int], int]:
        """Montreal day → living entries, of each day since one (None: ever); and how many there are besides."""
        rows, unapplied = self._ask((statement("pull/timeline_days"), {"since": since}), _unapplied_after(""))
        if sum(parts for *_, parts in rows) > FOLD_ABOVE + 2 * sum(days for *_, days, _ in rows):
            self._ask((statement("pull/timeline_days_fold"), None))
        held: Counter[date | None] = Counter({day: entries for day, entries, _, _ in rows})
        for _, was_at, is_living, is_at in self._unapplied(unapplied):
            if was_at is not None:
                held[_day_since(was_at, since)] -= 1
            if is_living:
                held[_day_since(is_at, since)] += 1
        elsewhere = held.pop(None, 0)
        return {day: count for day, count in held.items() if day is not None}, elsewhere

    def repair_counts(self) -> int:
        """Compare the counts that triggers keep with the rows, and put them right; gives how many days differed."""
        [days] = self._ask((statement("pull/timeline_days_repair"), None))
        return len(days)

    def between(self, start: datetime | None, end: datetime | None) -> dict[str, datetime]:
        """Id → instant of the living entries that we hold in `[start, end)`; None: without bound."""
        parameters = {"start": start, "end": end}
        rows, unapplied = self._ask((statement("pull/timeline_between"), parameters), _unapplied_after(""))
        held: dict[str, datetime] = dict(rows)
        for external_id, _, is_living, is_at in self._unapplied(unapplied):
            held.pop(external_id, None)
            inside = is_at is not None and (start is None or start <= is_at) and (end is None or is_at < end)
            if is_living and is_at is not None and inside:
                held[external_id] = is_at
        return held

    def owners(self, ids: Iterable[str]) -> dict[str, list[tuple[str | None, str | None]]]:
        """Id → the client and the piano that each body we hold of an entry names, the newest body first."""
        found: dict[str, list[tuple[str | None, str | None]]] = {}
        [rows] = self._ask((statement("pull/timeline_owners"), [list(ids)]))
        for external_id, client, piano in rows:
            found.setdefault(external_id, []).append((client, piano))
        return found

    def nameless(self) -> list[str]:
        """The names that we gave to entries without an id."""
        [names] = self._ask((statement("pull/timeline_nameless"), [NAMELESS]))
        return [name for (name,) in names]

    def _unapplied(self, rows: Rows) -> Iterator[tuple[str, datetime | None, bool, datetime | None]]:
        """(id, was living at, is living, is at) of the newest staged versions that stage 2 has not applied.

        Args:
            rows: The first of them. A run that only staged leaves all of a history, which is read part by part.
        """
        while rows:
            for external_id, was_at, is_living, said in rows:
                yield external_id, was_at, is_living, parse_instant(said)
            if len(rows) < UNAPPLIED_AT_ONCE:
                return
            [rows] = self._ask(_unapplied_after(rows[-1][0]))

    def _ask(self, *questions: Question) -> list[Rows]:
        with self._database.use() as connection:
            return together(connection, long_statements(), *questions)[1:]


class SeenIds:
    """The distinct ids that one read of the timeline saw, in a temporary table inside one open transaction.

    Args:
        connection: One of its own; what else uses it meanwhile shares the transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> SeenIds:
        with database_errors():
            allow_long_statements(self._connection)
            self._connection.execute("CREATE TEMPORARY TABLE seen (external_id text NOT NULL) ON COMMIT DROP")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with database_errors():
            self._connection.rollback()

    def add(self, ids: Iterable[str]) -> None:
        """Note ids; the same one may come twice."""
        with database_errors(), self._connection.cursor().copy("COPY seen (external_id) FROM STDIN") as copy:
            copy.write("".join(f"{line}\n" for line in escaped_all(list(ids))))

    def missing(self, since: datetime | None) -> dict[str, datetime]:
        """Id → instant of the living entries that we hold since an instant (None: ever) and that were not seen."""
        with database_errors():
            self._connection.execute("ANALYZE seen")
            query = self._connection.execute(statement("pull/timeline_missing"), {"since": since})
            held: dict[str, datetime] = dict(query.fetchall())
            # What a run staged and did not live to apply will be in production by the end of this one.
            for external_id, said, read_at in self._connection.execute(statement("pull/timeline_unapplied_missing")):
                at = parse_instant(said)
                if at is None and since is None:  # it came without its day: what everything lacks is on none
                    at = held.get(external_id, read_at.astimezone(UTC))
                if at is not None and (since is None or at >= since):
                    held[external_id] = at
        return held


def _day_since(at: datetime | None, since: date | None) -> date | None:
    day = None if at is None else montreal_day(at)
    return None if day is None or (since is not None and day < since) else day


def _unapplied_after(external_id: str) -> Question:
    return statement("pull/timeline_unapplied"), {"after": external_id, "most": UNAPPLIED_AT_ONCE}
