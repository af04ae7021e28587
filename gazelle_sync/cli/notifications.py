"""`gazelle-sync notifications`: whether messages reach those who are to get them: options, messages, exit status."""

from __future__ import annotations

import json
import sys

import click

from gazelle_sync.cli.frame import JSON, report_errors


@click.group()
def notifications() -> None:
    """Where alerts and the digest go."""


@notifications.command("test")
@JSON
def test_notifications(as_json: bool) -> None:
    """Send a test message to every address that is set. Exit status 1 if one was not accepted, or none is set."""
    from gazelle_sync.notifications.trial import try_recipients
    from gazelle_sync.settings import Settings

    with report_errors():
        settings = Settings.load()
        attempts = list(try_recipients(settings))
        if as_json:
            click.echo(json.dumps([one.as_json() for one in attempts], indent=2, ensure_ascii=False))
        else:
            for one in attempts:
                click.echo(one.line(settings.language))
        sys.exit(0 if all(one.arrived for one in attempts) else 1)
