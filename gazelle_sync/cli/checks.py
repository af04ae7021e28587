"""`gazelle-sync check`: every check as a Dagster job, and what each found."""

from __future__ import annotations

import json
import sys

import click


@click.command()
@click.option("--only", metavar="NAMES", help="Comma-separated names of checks.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(only: str | None, as_json: bool) -> None:
    """Look at everything: may the shop believe its tables? Exit status 1 if a check failed; warnings do not count."""
    from gazelle_sync.cli import runs as runner
    from gazelle_sync.cli.frame import report_errors, services
    from gazelle_sync.quality.render import render_findings

    with report_errors(), services(for_machines=as_json, meanwhile=runner.load_dagster) as settings:
        findings = runner.run_checks(settings, runner.checks_from(only))
        if as_json:
            click.echo(json.dumps([finding.as_json() for finding in findings], indent=2, ensure_ascii=False))
        else:
            click.echo(render_findings(findings, settings.language))
        sys.exit(1 if any(finding.is_failure for finding in findings) else 0)
