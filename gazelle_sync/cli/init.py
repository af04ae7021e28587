"""`gazelle-sync init`: asks what a shop has to set, tries it as `doctor` does, and writes `.env`."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gazelle_sync.cli.frame import report_errors
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext

GAZELLE = "https://gazelleapp.io"
PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)
"""What needs no quotes for any reader of such files: Python, systemd, Compose, a shell."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NEEDS_DOUBLE = re.compile(r"['\\]")
"""These stand between quotes: between apostrophes a shell takes each character as it is, where Python reads escapes."""
MEANS_MORE = re.compile(r"[$`]")
"""What a shell replaces between quotes."""


@click.command()
@click.option("--api-url", metavar="URL", help=f"Gazelle's address ({GAZELLE}), or `sandbox` to try it out.")
@click.option("--api-token", metavar="KEY", help="API key or access token.")
@click.option("--client-id", metavar="ID", help="OAuth client, in the place of a key.")
@click.option("--client-secret", metavar="SECRET", help="OAuth client secret.")
@click.option("--token-file", metavar="FILE", help="Where the OAuth answer is.")
@click.option("--token-store", type=click.Choice(["file", "database"]), help="Where the OAuth token is kept.")
@click.option("--database-url", metavar="URL", help="The shop's database, postgresql://…; empty: embedded.")
@click.option("--dagster-postgres-url", metavar="URL", help="Dagster's own storage; empty: embedded.")
@click.option("--lang", type=click.Choice(["en", "fr"]), help="For what people read.")
@click.option("--alert-urls", metavar="URLS", help="Where alerts go: Apprise addresses.")
@click.option("--file", "path", default=".env", show_default=True, metavar="FILE", help="The file to write.")
@click.option("--templates", "folder", metavar="FOLDER", help="Also copy the files of `deploy` into this new folder.")
@click.option("--no-input", is_flag=True, help="Ask nothing: options and the environment say it all.")
def init(path: str, folder: str | None, no_input: bool, **options: str | None) -> None:
    """Set up a shop: ask, try it as `doctor` does, write `.env`, say what comes next.

    An option that is given is not asked for. What is written by hand in the file stays.
    """
    from gazelle_sync.cli.doctor import examine, line
    from gazelle_sync.cli.doctor.variables import environment
    from gazelle_sync.runtime.signals import unwind_when_stopped
    from gazelle_sync.settings import FILES, Settings, read_dot_env

    with report_errors():
        target = Path(path).absolute()
        if folder is not None and Path(folder).exists():
            raise CommandRefused(gettext("{folder} exists: name a new folder for the templates.", folder=folder))
        _refuse_place(target)
        given = {f"GAZELLE_{name.upper()}": value for name, value in options.items() if value is not None}
        asks = not no_input and is_a_terminal()
        known = environment() | {name: value for name, value in read_dot_env(target).items() if value}
        answers = _Interview(known, given).answers() if asks else given
        _refuse_gaps(known | answers)
        answers |= _new_key(known | answers)
        Settings.load(known | answers)  # says at once which answer makes no sense
        unwind_when_stopped()
        findings = list(examine(known | answers))
        for finding in findings:
            click.echo(line(finding))
        if not all(finding.passed for finding in findings):
            question = gettext("Not everything is well. Write {path} all the same?", path=target)
            if not (asks and click.confirm(question, default=False)):
                raise CommandRefused(
                    gettext("{path} was not written. Correct what is marked ✗, then run this again.", path=target)
                )
        try:
            write_env(target, answers)
            click.echo("✓ " + gettext("{path} is written; only you may read it.", path=target))
            if folder is not None:
                shutil.copytree(FILES / "deploy", folder)
        except OSError as error:
            path = str(error.filename or target)
            raise CommandRefused(
                gettext("{path} cannot be written ({reason}).", path=path, reason=error.strerror or error)
            ) from None
        if folder is not None:
            click.echo("✓ " + gettext("The templates are in {folder}.", folder=folder))
        click.echo(gettext("Next: {command} does the first import.", command=f"{_program()} sync"))


def _refuse_place(path: Path) -> None:
    """Refuse a file that cannot be written, before anybody has answered anything.

    Raises:
        CommandRefused: It is a folder, or its folder is closed to this user.
    """
    folder = next(parent for parent in path.parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise CommandRefused(gettext("{path} is no file that you may write. Say --file FILE.", path=path))


def is_a_terminal() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()


class _Interview:
    """Asks for what no option gave; what is set already is the answer to an empty line.

    Args:
        known: The variables that are set.
        given: What options say, by variable.
    """

    def __init__(self, known: Mapping[str, str], given: Mapping[str, str]) -> None:
        self._known = known
        self._answers = dict(given)

    def answers(self) -> dict[str, str]:
        """Variable → what was said; empty where it is to be left out."""
        url = self._ask("GAZELLE_API_URL", gettext("Gazelle's address (`sandbox` to try it out)"), GAZELLE)
        if url.lower() != "sandbox" and not self._ask(
            "GAZELLE_API_TOKEN", gettext("API key (empty: OAuth)"), is_secret=True
        ):
            self._ask("GAZELLE_CLIENT_ID", gettext("OAuth client's id"))
            self._ask("GAZELLE_CLIENT_SECRET", gettext("OAuth client's secret"), is_secret=True)
            self._ask("GAZELLE_TOKEN_FILE", gettext("File with the OAuth answer"), "config/token.json")
        # Hidden, since an address holds a password.
        self._ask(
            "GAZELLE_DATABASE_URL", gettext("The shop's database, postgresql://… (empty: embedded)"), is_secret=True
        )
        self._ask(
            "GAZELLE_DAGSTER_POSTGRES_URL",
            gettext("Dagster's own database, postgresql://… (empty: embedded)"),
            is_secret=True,
        )
        self._ask("GAZELLE_LANG", gettext("Language, en or fr"), "en")
        self._ask("GAZELLE_ALERT_URLS", gettext("Where alerts go, Apprise addresses (empty: nowhere)"), is_secret=True)
        return self._answers

    def _ask(self, variable: str, question: str, default: str = "", *, is_secret: bool = False) -> str:
        if variable in self._answers:
            return self._answers[variable]
        known = self._known.get(variable, "")
        if is_secret and known:
            question += " " + gettext("[as it is]")
        said: Any = click.prompt(
            question, default=known or default, hide_input=is_secret, show_default=not is_secret, type=str
        )
        self._answers[variable] = str(said).strip()
        return self._answers[variable]


def _refuse_gaps(environ: Mapping[str, str]) -> None:
    """Refuse to go on without an address or credentials.

    Raises:
        CommandRefused: Something is missing; the message names the option.
    """
    if not environ.get("GAZELLE_API_URL"):
        raise CommandRefused(gettext("Say where Gazelle is: --api-url {url}, or --api-url sandbox.", url=GAZELLE))
    has_oauth = environ.get("GAZELLE_CLIENT_ID") and environ.get("GAZELLE_CLIENT_SECRET")
    if environ["GAZELLE_API_URL"].lower() != "sandbox" and not (environ.get("GAZELLE_API_TOKEN") or has_oauth):
        raise CommandRefused(
            gettext("Say how to come in: --api-token KEY, or --client-id ID --client-secret SECRET --token-file FILE.")
        )


def _new_key(environ: Mapping[str, str]) -> dict[str, str]:
    """A key for the token in the database, where it is to be there and no key is set."""
    if environ.get("GAZELLE_TOKEN_STORE") != "database" or environ.get("GAZELLE_TOKEN_KEY"):
        return {}
    from cryptography.fernet import Fernet

    return {"GAZELLE_TOKEN_KEY": Fernet.generate_key().decode()}


def write_env(path: Path, answers: Mapping[str, str]) -> None:
    """Write variables into a file such as `.env`, which only its owner may read.

    Lines that name another variable stay as they are. The file is replaced whole, so that a crash leaves the old one.

    Args:
        path: The file.
        answers: Variable → value; an empty one takes its line out.

    Raises:
        CommandRefused: A value cannot be written so that it is read as it is.
    """
    for name, value in answers.items():
        if "${" in value:
            raise CommandRefused(
                gettext(
                    "{name} holds ${{, behind which a file such as .env names another variable. In an address write $ "
                    "as %24, or set the variable in the environment.",
                    name=name,
                )
            )
        if CONTROL.search(value) or (NEEDS_DOUBLE.search(value) and MEANS_MORE.search(value)):
            raise CommandRefused(
                gettext(
                    "{name} holds what no file such as .env can: a line break, or an apostrophe or backslash beside $ "
                    "or `. In an address write ' as %27 and \\ as %5C, or set the variable in the environment.",
                    name=name,
                )
            )
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = {name: re.compile(rf"\s*(export\s+)?{re.escape(name)}\s*=") for name in answers}
    kept = [text for text in before if not any(pattern.match(text) for pattern in named.values())]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in answers.items() if value)]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("".join(f"{text}\n" for text in lines))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _quoted(value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    if not NEEDS_DOUBLE.search(value):
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _program() -> str:
    """The command as it was typed: without an activated environment it is `.venv/bin/gazelle-sync`."""
    return sys.argv[0] if Path(sys.argv[0]).name == "gazelle-sync" else "gazelle-sync"
