"""What shop staff read after a run, in French or English, and the bar that they watch meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gazelle_sync.entities import ENTITIES
from gazelle_sync.i18n.names import NAMES, entity_name
from gazelle_sync.i18n.plurals import counted
from gazelle_sync.pull.report import Progress
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect, database_errors, statement

WORDS = {
    "en": {
        "read": "reading", "apply": "applying",
        "title": "Gazelle → PostgreSQL",
        "head": ("", "fetched", "changed", "deleted", "errors", "at Gazelle"),
        "quiet": "Nothing changed.",
        "changed": "{count:# record|# records} changed.",
        "ended": "Done in {seconds:.1f} s, {requests:# request|# requests}, {megabytes:.1f} MB.",
        "replayed": "Rebuilt in {seconds:.1f} s, without one call to Gazelle: {rows:# row|# rows} put right.",
        "errors": "{count:# record is|# records are} in error: see `gazelle-sync status` and the view v_sync_errors.",
        "failed": "Failed: {name}. {reason}",
        "failed_run": "The run failed. {reason}",
    },
    "fr": {
        "read": "lecture", "apply": "mise à jour",
        "title": "Gazelle → PostgreSQL",
        "head": ("", "lus", "modifiés", "supprimés", "erreurs", "chez Gazelle"),
        "quiet": "Rien n'a changé.",
        "changed": "{count:# fiche modifiée|# fiches modifiées}.",
        "ended": "Terminé en {seconds:.1f} s, {requests:# requête|# requêtes}, {megabytes:.1f} Mo.",
        "replayed": "Reconstruit en {seconds:.1f} s, sans un appel à Gazelle : "
        "{rows:# ligne corrigée|# lignes corrigées}.",
        "errors": "{count:# fiche est|# fiches sont} en erreur : voir `gazelle-sync status` et la vue v_sync_errors.",
        "failed": "Échec : {name}. {reason}",
        "failed_run": "La synchronisation a échoué. {reason}",
    },
}  # fmt: skip


@dataclass
class Summary:
    """One run, as `sync_logs` tells it.

    Attributes:
        mode: `tick`, `nightly`, `deep`, `backfill`, `replay`; empty where the run did not come so far.
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
    def read(cls, settings: Settings, run_id: str) -> Summary:
        """Read a run's row; an empty summary where there is none."""
        with database_errors(), connect(str(settings.database_url)) as connection:
            row = connection.execute(statement("cli/runlog_read"), [run_id]).fetchone()
        return cls(row[0], row[1], float(row[2] or 0), row[3], row[4]) if row else cls()

    @property
    def failures(self) -> dict[str, str]:
        """Entity → why it failed."""
        return {name: report["failure"] for name, report in self._reports() if report.get("failure")}

    def render(self, language: str, *, fallback: list[str]) -> str:
        """The text to print.

        Args:
            language: `en` or `fr`.
            fallback: Reasons to give where the log has none.
        """
        words, names = WORDS[language], NAMES[language]
        lines = [self._table(words, names)] if list(self._reports()) else []
        rows = sum(report["changed"] for _, report in self._reports())
        records = sum(report["staged"] for _, report in self._reports())
        if self.mode == "replay":
            lines.append(_say(language, "replayed", seconds=self.duration_s, rows=rows))
        elif list(self._reports()):
            if records or rows:
                lines.append(_say(language, "changed", count=records or rows))
            elif not self.failures:
                lines.append(_say(language, "quiet"))
            requests, megabytes = self.stats.get("requests", 0), self.stats.get("bytes", 0) / 1e6
            lines.append(_say(language, "ended", seconds=self.duration_s, requests=requests, megabytes=megabytes))
        for name, report in self._reports():
            lines += [f"  {entity_name(names, name)}: {note}" for note in report.get("notes", [])]
        if errors := sum(report["errors"] for _, report in self._reports()):
            lines.append("⚠ " + _say(language, "errors", count=errors))
        for reason, entities in self._failed_together().items():
            lines.append("✗ " + _say(language, "failed", name=_names(names, entities), reason=reason))
        if not self.failures and (self.status == "error" or fallback):
            lines.append("✗ " + _say(language, "failed_run", reason=self.error_message or "; ".join(fallback)))
        return "\n".join(lines)

    def _failed_together(self) -> dict[str, list[str]]:
        """Reason → the entities that failed for it; which operation met it first is of no interest to a shop."""
        together: dict[str, list[str]] = {}
        for name, failure in self.failures.items():
            operation, _, rest = failure.partition(": ")
            together.setdefault(rest if rest and operation.isalnum() else failure, []).append(name)
        return together

    def _reports(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for entity in ENTITIES:
            if isinstance(report := self.stats.get(entity.name), dict):
                yield entity.name, report

    def _table(self, words: Mapping[str, Any], names: Mapping[str, str]) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=words["title"], title_justify="left", box=None, pad_edge=False)
        for n, head in enumerate(words["head"]):
            table.add_column(head, justify="left" if n == 0 else "right")
        for name, report in self._reports():
            total = "—" if report["total"] is None else report["total"]
            cells = (report["fetched"], report["staged"], report["deleted"], report["errors"], total)
            mark = "✗ " if report.get("failure") else "⚠ " if report["errors"] else "✓ "
            table.add_row(mark + entity_name(names, name), *(_number(cell) for cell in cells))
        console = Console(width=100, force_terminal=False, no_color=True)
        with console.capture() as capture:
            console.print(table)
        return capture.get().rstrip()


@contextmanager
def draw_progress(progress: Progress, language: str) -> Iterator[None]:
    """Draw one bar an entity on a terminal, and nothing where there is none."""
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
    words, names = WORDS[language], NAMES[language]
    tasks: dict[str, Any] = {}
    while True:
        for name, (phase, count, total) in progress.snapshot().items():
            if name not in tasks:
                tasks[name] = bars.add_task(entity_name(names, name), total=total)
            bars.update(
                tasks[name], description=f"{entity_name(names, name)}: {words[phase]}", completed=count, total=total
            )
        if done.wait(0.1):
            return


def _say(language: str, key: str, **values: Any) -> str:
    return counted(language, str(WORDS[language][key]), **values)


def _names(names: Mapping[str, str], entities: list[str]) -> str:
    return ", ".join(entity_name(names, entity) for entity in entities)


def _number(value: object) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if isinstance(value, int) else str(value)
