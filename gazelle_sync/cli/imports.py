"""`gazelle-sync import`: options, messages and exit status; no logic."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gazelle_sync.cli.frame import JSON, report_errors, services

SOURCES = ["sqlite", "sqlserver", "gazelle", "school"]


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would become of every row. Keeps nothing.")
@click.option("--source", type=click.Choice(SOURCES), help="Only files of this source.")
@click.option("--report", metavar="FILE.html", type=click.Path(path_type=Path), help="Write the report as a page.")
@click.option("--client", metavar="ID", help="Whose pianos a school's sheet is about.")
@JSON
def import_files(
    folder: Path, dry_run: bool, source: str | None, report: Path | None, client: str | None, as_json: bool
) -> None:
    """Import what an older system left as CSV files. Exit status 0, 2 if rows were rejected, 1 if nothing was done."""
    from gazelle_sync.monitoring.report import check_place, write_page
    from gazelle_sync.shop.csv_import.report import render_html, render_text
    from gazelle_sync.shop.csv_import.session import Request, run_import

    with report_errors(), services(api=False, for_machines=as_json) as settings:
        if report is not None:
            check_place(report)
        request = Request(folder, source=source, client=client, is_dry_run=dry_run)
        with _bar() as progress:
            outcome = run_import(settings, request, progress=progress)
        text = json.dumps(outcome.as_json(), indent=2, ensure_ascii=False) if as_json else None
        click.echo(text or render_text(outcome, settings.language))
        if report is not None:
            write_page(render_html(outcome, settings.language), report)
        sys.exit(outcome.exit_status)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda file, done, total: bar.update(task, description=file, completed=done, total=total)
