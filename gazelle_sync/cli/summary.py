"""The summary that a run prints, in French or English, and the progress bars during it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gazelle_sync.entities import ENTITIES, entity_name
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.pull.report import Progress
from gazelle_sync.settings import Settings
from gazelle_sync.shop.followers import due_questions, jobs_in
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow, together

PHASES = {"read": Message("reading"), "apply": Message("applying")}


@dataclass
class Summary:
    """One run, from its row in `sync_logs`.

    Attributes:
        mode: `tick`, `nightly`, `deep`, `backfill`, `replay`; empty where the run ended before it began one.
        status: As in `sync_logs`.
        duration_s: Seconds.
        stats: As in `sync_logs`.
        error_message: Why it failed.
    """

    mode: str = ""
    status: str = "error"
    duration_s: float = 0.0
    stats: Mapping[str, Any] = field(default_factory=dict)
    error_message: str | None = None

    @classmethod
    def read(cls, settings: Settings, run_id: str, *, succeeded: bool) -> tuple[Summary, list[str]]:
        """Read a run's row, and which jobs are due after it, in one round trip.

        Args:
            settings: For the database.
            run_id: Of the run.
            succeeded: Whether the run did; after one that did not, the database may not be up to date.

        Returns:
            The summary, empty where there is no row; and the jobs of the shop's own work for which something waits.
        """
        with borrow(str(settings.database_url)) as connection:
            rows, *due = together(
                connection, (statement("cli/runlog_read"), [run_id]), *(due_questions() if succeeded else ())
            )
        found = [cls(mode, status, float(seconds or 0), *rest) for mode, status, seconds, *rest in rows]
        return (found or [cls()])[0], jobs_in(due) if succeeded else []

    @property
    def failures(self) -> dict[str, str]:
        """Entity → why it failed."""
        return {name: report["failure"] for name, report in self._reports() if report.get("failure")}

    def render(self, language: str, *, fallback: list[str]) -> str:
        """The text to print.

        Args:
            language: `en` or `fr`.
            fallback: Reasons to show where the log has none.
        """
        say = translator(language)
        lines = [self._table(say)] if list(self._reports()) else []
        rows = sum(report["changed"] for _, report in self._reports())
        records = sum(report["staged"] for _, report in self._reports())
        if self.mode == "replay":
            text = Plural(
                "Rebuilt in {seconds} s, without one call to Gazelle: {count} row corrected.",
                "Rebuilt in {seconds} s, without one call to Gazelle: {count} rows corrected.",
            )
            lines.append(say(text, seconds=say.decimal(self.duration_s), count=rows))
        elif list(self._reports()):
            if records or rows:
                lines.append(say(Plural("{count} record changed.", "{count} records changed."), count=records or rows))
            elif not self.failures:
                lines.append(say("Nothing changed."))
            text = Plural(
                "Done in {seconds} s, {count} request, {megabytes} MB.",
                "Done in {seconds} s, {count} requests, {megabytes} MB.",
            )
            megabytes = say.decimal(self.stats.get("bytes", 0) / 1e6)
            requests = self.stats.get("requests", 0)
            lines.append(say(text, seconds=say.decimal(self.duration_s), count=requests, megabytes=megabytes))
        for name, report in self._reports():
            lines += [f"  {entity_name(say, name)}: {note}" for note in report.get("notes", [])]
        if errors := sum(report["errors"] for _, report in self._reports()):
            text = Plural(
                "{count} record is in error: see `gazelle-sync status` and the view v_sync_errors.",
                "{count} records are in error: see `gazelle-sync status` and the view v_sync_errors.",
            )
            lines.append("⚠ " + say(text, count=errors))
        for reason, entities in self._failed_together().items():
            names = ", ".join(entity_name(say, entity) for entity in entities)
            lines.append("✗ " + say("Failed: {name}. {reason}", name=names, reason=reason))
        if not self.failures and (self.status == "error" or fallback):
            reason = self.error_message or "; ".join(fallback)
            lines.append("✗ " + say("The run failed. {reason}", reason=reason))
        return "\n".join(lines)

    def _failed_together(self) -> dict[str, list[str]]:
        """Reason → the entities that failed for it; the operation that met it first is left out."""
        together: dict[str, list[str]] = {}
        for name, failure in self.failures.items():
            operation, _, rest = failure.partition(": ")
            together.setdefault(rest if rest and operation.isalnum() else failure, []).append(name)
        return together

    def _reports(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for entity in ENTITIES:
            if isinstance(report := self.stats.get(entity.name), dict):
                yield entity.name, report

    def _table(self, say: Translator) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(title="Gazelle → PostgreSQL", title_justify="left", box=None, pad_edge=False)
        table.add_column("")
        for head in (say("fetched"), say("changed"), say("deleted"), say("errors"), say("at Gazelle")):
            table.add_column(head, justify="right")
        for name, report in self._reports():
            total = "—" if report["total"] is None else say.number(report["total"])
            cells = [say.number(report[key]) for key in ("fetched", "staged", "deleted", "errors")]
            mark = "✗ " if report.get("failure") else "⚠ " if report["errors"] else "✓ "
            table.add_row(mark + entity_name(say, name), *cells, total)
        console = Console(width=100, force_terminal=False, no_color=True)
        with console.capture() as capture:
            console.print(table)
        return capture.get().rstrip()


@contextmanager
def draw_progress(progress: Progress, language: str) -> Iterator[None]:
    """Draw one bar per entity on a terminal; nothing where output is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    done = threading.Event()
    with Bars(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    ) as bars:  # fmt: skip
        thread = threading.Thread(target=_follow, args=(progress, language, bars, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _follow(progress: Progress, language: str, bars: Any, done: threading.Event) -> None:
    say = translator(language)
    tasks: dict[str, Any] = {}
    while True:
        for name, (phase, count, total) in progress.snapshot().items():
            if name not in tasks:
                tasks[name] = bars.add_task(entity_name(say, name), total=total)
            bars.update(
                tasks[name], description=f"{entity_name(say, name)}: {say(PHASES[phase])}", completed=count, total=total
            )
        if done.wait(0.1):
            return
