"""Reads the notes that are new or changed, and makes the alerts of their pianos again.

Triggers mark what was written (`maintenance_unread`), whoever wrote it. A scan reads that, or everything: the first
time, where the rules or the thresholds have changed, and after so large a change that the triggers no longer list it.
What the notes say, the alerts that follow, and what was read are written in one transaction: a scan that is killed has
done nothing, and the next one does it.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Literal

import msgspec
from psycopg import sql

from gazelle_sync.errors import AnotherScanRunning
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import montreal_day, within_calendar
from gazelle_sync.settings import Settings
from gazelle_sync.shop.maintenance.climate import Thresholds
from gazelle_sync.shop.maintenance.context import CLIMATE
from gazelle_sync.shop.maintenance.history import Episode, Held, Remark, episodes_of
from gazelle_sync.shop.maintenance.lexicon import version
from gazelle_sync.shop.maintenance.reading import READING, Finding, findings_in
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import Question, Rows, borrow, cursor, fetch, together
from gazelle_sync.warehouse.settings_table import setting

PAGE = 10_000
WAIT_S = 900.0
"""How long a scan waits for another one: reading a whole history takes a minute or so."""
RULES_READ = "maintenance.rules"
"""Setting: by which rules and thresholds the findings were made."""
COUNTED = ("opened", "suggested", "resolved", "withdrawn")
SCANNING: Question = "SELECT set_config('gazelle_sync.scanning', 'on', true)", None
"""Tells the triggers of `maintenance_alerts` that no person writes."""
Subject = tuple[str, str]
"""A piano (or a client, where the note names no piano) and a kind."""
OnProgress = Callable[[int], None]


class ScanLock(PullLock):
    """Context manager that holds the scan's advisory lock.

    Raises:
        AnotherScanRunning: Another scan was still running after the wait.
    """

    key = 0x6761_7A08
    what = "scan"
    busy = Message(
        "Another scan of the notes is running and did not end within {seconds} s. Nothing was done. Try again when it "
        "has ended."
    )
    refusal = AnotherScanRunning


class FindingRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `maintenance_findings`, with its columns."""

    subject: str
    alert_type: str
    source_external_id: str
    effect: Literal["opens", "resolves", "normal"]
    status: Literal["open", "suggested"]
    is_reading: bool
    observed_at: datetime
    words: str
    confidence: float
    client_external_id: str | None
    piano_external_id: str | None
    clause: str = ""
    """Empty where only the alerts are made of it."""


@dataclass(frozen=True)
class ScanReport:
    """What a scan did.

    Attributes:
        is_whole: Whether it read everything.
        notes: Notes and readings that it read.
        opened: Alerts that are open now and were not.
        suggested: Suggestions that are new.
        resolved: Alerts that notes resolved.
        withdrawn: Alerts whose note says it no more.
    """

    is_whole: bool = False
    notes: int = 0
    opened: int = 0
    suggested: int = 0
    resolved: int = 0
    withdrawn: int = 0


def scan(settings: Settings, *, everything: bool = False, on_progress: OnProgress | None = None) -> ScanReport:
    """Read what is new, and bring the alerts up to date.

    Args:
        settings: With `database_url` filled in.
        everything: Read all notes again, not only what is new.
        on_progress: Called with the number of notes read so far.

    Raises:
        AnotherScanRunning: Another scan did not end in time.
        DatabaseError: The database cannot be reached, or refuses.
    """
    url = str(settings.database_url)
    migrate(url)
    with ScanLock(url, wait_s=WAIT_S) as lock, borrow(url) as connection:
        done = _Scan(settings, connection, everything=everything, on_progress=on_progress).run()
        lock.assert_held()
        return done


class _Scan:
    def __init__(
        self, settings: Settings, connection: Connection, *, everything: bool, on_progress: OnProgress | None
    ) -> None:
        self.thresholds = thresholds_of(settings)
        self.scope = {
            "scope": list(settings.maintenance_clients), "low": list(settings.maintenance_low_humidity_clients),
        }  # fmt: skip
        self.rules = _rules_of(self.scope, self.thresholds)
        self.url = str(settings.database_url)
        self.connection = self.reading = connection
        self.everything = everything
        self.on_progress = on_progress or (lambda _: None)
        self.started_at = datetime.now(UTC)
        self.notes = 0

    def run(self) -> ScanReport:
        unread, by_rules, [(self.started_at,)] = together(
            self.connection,
            (statement("maintenance/unread"), None),
            ("SELECT value FROM system_settings WHERE key = %s", [RULES_READ]),
            ("SELECT clock_timestamp()", None),
        )
        ids = sorted({source for _, source in unread if source is not None})
        is_whole = self.everything or by_rules != [(self.rules,)] or any(source is None for _, source in unread)
        if not unread and not is_whole:
            return ScanReport()
        read = [key for key, _ in unread]
        if is_whole:
            with borrow(self.url) as self.reading:  # so that the transaction that writes holds no note for minutes
                return self._write(self._findings(chain(self._pages(), self._measurements())), None, None, read)
        found, subjects = self._of_some(ids)
        return self._write(iter(found), subjects, sorted({*ids, *(one.source_external_id for one in found)}), read)

    # Reading

    def _of_some(self, ids: Sequence[str]) -> tuple[list[FindingRow], list[str]]:
        """The findings of some notes, and the pianos that they were or are about.

        Where a reading opens an alert, a later ordinary one may have been read long ago: all of that piano are read.
        """
        given = {"ids": list(ids), "subjects": None, "after": 0, "page": len(ids) + 1, **self.scope}
        notes, measured, before = together(
            self.connection,
            (statement("maintenance/notes"), given),
            (statement("maintenance/measurements"), given),
            (statement("maintenance/subjects"), given),
        )
        found = list(self._findings(chain(notes, measured)))
        self._count(len(notes) + len(measured))
        if opened := sorted({one.subject for one in found if one.is_reading and one.effect == "opens"}):
            held = {one.source_external_id for one in found}
            again = self._findings(chain(self._pages(opened), self._measurements(opened)))
            found += [one for one in again if one.effect == "normal" and one.source_external_id not in held]
        subjects = {subject for (subject,) in before} | {one.subject for one in found} | set(ids)
        return found, sorted(subjects)

    def _pages(self, subjects: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        after = 0
        while True:
            given = {"ids": None, "subjects": subjects, "after": after, "page": PAGE, **self.scope}
            _, rows = together(self.reading, long_statements(), (statement("maintenance/notes"), given))
            yield from rows
            self._count(len(rows))
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def _measurements(self, subjects: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        given = {"ids": None, "subjects": subjects, **self.scope}
        rows = self.reading.execute(statement("maintenance/measurements"), given).fetchall()
        yield from rows
        self._count(len(rows))

    def _count(self, more: int) -> None:
        self.notes += more
        self.on_progress(self.notes)

    def _findings(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[FindingRow]:
        """What notes and measurements come to."""
        for _, source, client, piano, at, text, humidity, asks_for_low in rows:
            for one in findings_of_note(text, humidity, self.thresholds, asks_for_low=bool(asks_for_low)):
                yield FindingRow(
                    piano or client or "", one.kind, source, one.effect, one.status, one.is_reading,
                    within_calendar(at), one.words, one.confidence, client, piano, one.clause,
                )  # fmt: skip

    # Writing

    def _write(
        self, found: Iterator[FindingRow], subjects: list[str] | None, sources: list[str] | None, unread: list[int]
    ) -> ScanReport:
        """Write findings and the alerts that follow, some at a time: those of a long history would fill the memory.

        Args:
            found: The findings.
            subjects: Whose alerts may change; None: all.
            sources: The notes that were read; None: all.
            unread: What was read of `maintenance_unread`.
        """
        is_whole = subjects is None
        named = {"subjects": sql.Literal(subjects), "sources": sql.Literal(sources)}
        counts: Counter[str] = Counter()
        try:
            *_, findings, _, alerts = self._write_findings(
                found,
                [long_statements(), SCANNING, (statement("maintenance/findings_delete"), {"ids": sources})],
                *([(statement("maintenance/findings_prune"), None)] if is_whole else []),
                *cursor("findings", sql.SQL(statement("maintenance/findings_of")).format(**named), PAGE),
                *cursor("alerts", sql.SQL(statement("maintenance/alerts_of")).format(**named), PAGE),
            )
            statements: list[Question] = []
            for said, held in _by_subject(self._rest("findings", findings), self._rest("alerts", alerts)):
                if statements:
                    together(self.connection, *statements, ends=False)
                new, changed = _alerts([FindingRow(*row) for row in said], held, counts)
                statements = [
                    (statement("maintenance/alerts_update"), {"rows": _json(changed)}),
                    (statement("maintenance/alerts_insert"), {"rows": _json(new)}),
                ]
            report = ScanReport(is_whole, self.notes, **counts)
            counted = {
                "started_at": self.started_at, "is_whole": is_whole, "notes": report.notes, "opened": report.opened,
                "resolved": report.resolved, "withdrawn": report.withdrawn,
            }  # fmt: skip
            together(
                self.connection,
                *statements,
                (statement("maintenance/unread_delete"), {"ids": unread}),
                (statement("maintenance/scan_note"), counted),
                setting(RULES_READ, self.rules),
                ("COMMIT", None),
                ends=False,
            )
        except BaseException:
            if not self.connection.closed:
                self.connection.rollback()
            raise
        return report

    def _write_findings(self, found: Iterator[FindingRow], before: list[Question], *after: Question) -> list[Rows]:
        """Write findings between other statements, in one round trip where they are few; gives the answers to all."""
        write = statement("maintenance/findings_write")
        while len(part := list(islice(found, PAGE))) == PAGE:
            together(self.connection, *before, (write, {"rows": _json(part)}), ends=False)
            before = []
        return together(self.connection, *before, (write, {"rows": _json(part)}), *after, ends=False)

    def _rest(self, name: str, rows: Rows) -> Iterator[tuple[Any, ...]]:
        """The rows of an open cursor, of which the first are fetched."""
        yield from rows
        while len(rows) == PAGE:
            [rows] = together(self.connection, fetch(name, PAGE))
            yield from rows


def _by_subject(findings: Iterator[tuple[Any, ...]], alerts: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Rows, Rows]]:
    """Findings and alerts, both in the order of their pianos: those of some pianos at a time, each piano's together."""
    subject = itemgetter(0)
    batch: tuple[Rows, Rows] = ([], [])
    merged = heapq.merge(((row[0], 0, row) for row in findings), ((row[0], 1, row) for row in alerts), key=subject)
    for _, of_one in groupby(merged, key=subject):
        for _, side, row in of_one:
            batch[side].append(row)
        if sum(map(len, batch)) >= PAGE:
            yield batch
            batch = ([], [])
    yield batch


def _alerts(
    findings: Iterable[FindingRow], alerts: Rows, counts: Counter[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows to insert and rows to change; how many alerts were opened, resolved and withdrawn is added to `counts`."""
    said: dict[Subject, list[FindingRow]] = defaultdict(list)
    told: dict[tuple[str, str], FindingRow] = {}
    for one in findings:
        said[one.subject, one.alert_type].append(one)
        told[one.source_external_id, one.alert_type] = one
    held: dict[Subject, list[Held]] = defaultdict(list)
    rows: dict[int, tuple[Any, ...]] = {}
    for row in alerts:
        subject, kind, key, source, status, observed, decided_status, decided_at = row[:8]
        held[subject, kind].append(Held(key, source, status, observed, decided_status, decided_at))
        rows[key] = row
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for place in said.keys() | held.keys():
        for episode in episodes_of(map(_remark, said.get(place, ())), held.get(place, ())):
            is_held = rows[episode.held.id] if episode.held is not None else None
            before = is_held[4] if is_held is not None else None
            wanted = _row_of(episode, told.get((episode.source or "", place[1])), is_held)
            if is_held is None:
                new.append({"alert_type": place[1], "source_external_id": episode.source, **wanted})
            elif _differs(wanted, is_held):
                changed.append({"id": is_held[2], **wanted})
            if before != episode.status:
                name = "opened" if episode.status == "open" else episode.status
                if name in COUNTED:
                    counts[name] += 1
    return new, changed


def _remark(one: FindingRow) -> Remark:
    return Remark(one.source_external_id, one.effect, one.status == "open", one.is_reading, one.observed_at)


def _row_of(episode: Episode, told: FindingRow | None, row: tuple[Any, ...] | None) -> dict[str, Any]:
    """The columns of an alert that follow from the notes."""
    ended = {
        "status": episode.status,
        "resolved_date": episode.resolved_on if episode.status in ("resolved", "archived") else None,
        "resolved_by_external_id": episode.resolved_by if episode.status in ("resolved", "archived") else None,
    }
    if told is not None and episode.source is not None:
        return ended | {
            "description": told.words, "confidence": told.confidence,
            "date_observation": montreal_day(told.observed_at),
            "client_external_id": told.client_external_id, "piano_external_id": told.piano_external_id,
        }  # fmt: skip
    assert row is not None  # noqa: S101 - an episode has a note, or a row, or both
    return ended | {
        "description": row[10], "confidence": row[11], "date_observation": row[5], "client_external_id": row[12],
        "piano_external_id": row[13],
    }  # fmt: skip


def _differs(wanted: dict[str, Any], row: tuple[Any, ...]) -> bool:
    resolved = (wanted["resolved_by_external_id"], wanted["resolved_date"])
    is_own = wanted["status"] in ("resolved", "archived") and row[8] is None and resolved[0] is None
    if is_own and wanted["status"] == row[4]:
        resolved = (row[8], row[9])  # a person's own day of it
        wanted["resolved_date"] = row[9]
    confidence = None if row[11] is None else float(row[11])
    now = (wanted["status"], *resolved, wanted["description"], wanted["date_observation"])
    if now != (row[4], row[8], row[9], row[10], row[5]):
        return True
    mine = None if wanted["confidence"] is None else float(wanted["confidence"])
    return (mine, wanted["client_external_id"], wanted["piano_external_id"]) != (confidence, row[12], row[13])


def findings_of_note(
    text: str | None, humidity: int | None, thresholds: Thresholds, *, asks_for_low: bool
) -> list[Finding]:
    """What a note says, or a measured humidity."""
    if humidity is None:
        return findings_in(text, thresholds, asks_for_low_humidity=asks_for_low)
    is_out = thresholds.says(humidity, asks_for_low=asks_for_low)
    if is_out is None:
        return []
    words = f"{humidity} %"
    return [Finding(CLIMATE, "opens" if is_out else "normal", words, words, READING, is_reading=True)]


def thresholds_of(settings: Settings) -> Thresholds:
    """The thresholds of readings."""
    return Thresholds(settings.humidity_high, settings.humidity_critical_low, settings.humidity_low)


def _json(rows: Sequence[FindingRow | dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode().replace("\\u0000", "")


def _rules_of(scope: dict[str, list[str]], thresholds: Thresholds) -> str:
    """Changes with the rules, the thresholds and the clients that are meant."""
    said = repr((version(), sorted(scope["scope"]), sorted(scope["low"]), thresholds))
    return hashlib.sha256(said.encode()).hexdigest()[:16]
