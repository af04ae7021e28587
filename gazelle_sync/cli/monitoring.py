"""`gazelle-sync check`, `verify`, `errors`, `metrics` and `report`: by which people and tools watch the sync."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gazelle_sync.cli.frame import JSON, report_errors, services, shop_database
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator


@click.command()
@click.option("--only", metavar="NAMES", help="Comma-separated names of checks.")
@JSON
def check(only: str | None, as_json: bool) -> None:
    """Look at everything: may the shop believe its tables? Exit status 1 if a check failed; warnings do not count."""
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.quality.finding import ids_in, render_findings
    from gazelle_sync.warehouse.names import read_names

    with report_errors(), services(for_machines=as_json, meanwhile=runner.load_dagster) as settings:
        findings = runner.run_checks(settings, runner.checks_from(only))
        if as_json:
            click.echo(json.dumps([finding.as_json() for finding in findings], indent=2, ensure_ascii=False))
        else:
            names = read_names(settings, ids_in(findings))
            click.echo(render_findings(findings, settings.language, names))
        sys.exit(1 if any(finding.is_failure for finding in findings) else 0)


@click.command()
@click.option("--only", metavar="ENTITIES", multiple=True, help="Comma-separated, or several times: clients,pianos,…")
@click.option("--deep", is_flag=True, help="Read every body again, not a sample.")
@JSON
def verify(only: tuple[str, ...], deep: bool, as_json: bool) -> None:
    """Prove that production equals the account, now: counts by day, stamps, bodies field by field.

    It reads, and changes nothing. Exit status 1 if a row is wrong; what is newer at Gazelle than the last pull is
    told apart.
    """
    from gazelle_sync.cli.runs import entities_from
    from gazelle_sync.cli.summary import draw_progress
    from gazelle_sync.pull.report import Progress
    from gazelle_sync.quality.verify.render import as_json as verdict_as_json
    from gazelle_sync.quality.verify.render import ids_in, render
    from gazelle_sync.quality.verify.session import verify as verify_account
    from gazelle_sync.warehouse.names import names_of
    from gazelle_sync.warehouse.pool import borrow

    with report_errors(), services(for_machines=as_json) as settings:
        entities = entities_from(",".join(only) if only else None)
        progress = Progress()
        with draw_progress(progress, settings.language):
            verdict = verify_account(settings, entities, deep=deep, progress=progress)
        with borrow(str(settings.database_url)) as connection:
            names = names_of(connection, ids_in(verdict), None if as_json else translator(settings.language))
        if as_json:
            click.echo(json.dumps(verdict_as_json(verdict, names), indent=2, ensure_ascii=False))
        else:
            click.echo(render(verdict, names, settings.language))
        sys.exit(0 if verdict.holds else 1)


@click.command()
@click.option(
    "--show", "external_id", metavar="ID", help="One record: what Gazelle sent, and why it cannot be applied."
)
@click.option("--retry", is_flag=True, help="Apply them again, once the reconciler is corrected for example.")
@JSON
def errors(external_id: str | None, retry: bool, as_json: bool) -> None:
    """Show the records in error, by reason. Exit status 0; of --retry, 1 if the run failed."""
    from gazelle_sync.monitoring import failures
    from gazelle_sync.warehouse.names import read_names

    is_json = as_json or external_id is not None
    with shop_database(for_machines=is_json) as settings:
        say = translator(settings.language)
        if external_id is not None:
            click.echo(json.dumps(failures.show_record(settings, external_id), indent=2, ensure_ascii=False))
            return
        succeeded = True
        if retry and (entities := failures.set_pending(settings)):
            from gazelle_sync.cli import runs as runner

            ended = runner.run_retry(settings, entities)
            succeeded = ended.succeeded
            click.echo(ended.text, err=as_json)
        elif retry:
            click.echo(
                say("Nothing waits for another try here; what Gazelle could not give, each sync asks for again."),
                err=as_json,
            )
        reasons = failures.read_reasons(settings)
        if as_json:
            click.echo(json.dumps([reason.as_json() for reason in reasons], indent=2, ensure_ascii=False))
        else:
            names = read_names(settings, failures.ids_shown(reasons))
            click.echo(failures.render_reasons(settings.language, reasons, names))
        sys.exit(0 if succeeded else 1)


@click.command()
@click.option(
    "--port", default=9464, show_default=True, type=click.IntRange(0, 65535), help="0 takes any that is free."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def metrics(port: int, host: str) -> None:
    """Serve metrics for Prometheus until Ctrl-C; each answer is read from the database."""
    from gazelle_sync.monitoring.metrics import serve_metrics
    from gazelle_sync.runtime.signals import join_until_stopped

    with report_errors(), services(api=False) as settings:
        server, thread = serve_metrics(settings, host, port)
        url = f"http://{host}:{server.server_port}/metrics"
        click.echo(gettext("Metrics are at {url}. Ctrl-C stops it.", url=url))
        join_until_stopped(thread)


@click.command()
@click.option("--html", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def report(path: Path) -> None:
    """Write a page with plots: volumes, durations, errors, backlog, the coming week. It needs nothing else."""
    from gazelle_sync.monitoring.report import write_report

    with report_errors(), services(api=False) as settings:
        write_report(settings, path)
        click.echo(gettext("Written: {path}", path=path))
