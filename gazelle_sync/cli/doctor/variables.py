"""The variables of the environment, and the home."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n.translator import translator
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import PREFIX, Settings, load_dot_env, refuse_unasked_sandbox

LEAST_FREE_BYTES = 1_000_000_000


def environment() -> dict[str, str]:
    """The variables that are ours, `.env` included."""
    load_dot_env()
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def settings_findings(environ: dict[str, str]) -> tuple[list[Finding], set[str]]:
    """The findings, and the variables that make no sense."""
    say = translator(Settings.for_definitions(environ).language)
    known = sorted(Settings.variables().values())
    findings: list[Finding] = []
    broken: set[str] = set()
    for name, value in sorted(environ.items()):
        try:
            Settings.load({name: value})
        except SettingsError as error:
            broken.add(name)
            advice = say("Correct it in the environment or in .env.")
            findings.append(Finding("settings", False, f"{error}. {advice}"))
        if name not in known:
            text = say("{name} is not known. Is it mistyped? There are: {known}.", name=name, known=", ".join(known))
            findings.append(Finding("settings", False, text))
    if not findings:
        said = ", ".join(sorted(environ)) or say("nothing is set")
        findings.append(Finding("settings", True, say("every variable makes sense ({names})", names=said)))
    parts = {"PostgreSQL": "GAZELLE_DATABASE_URL", say("Dagster's storage"): "GAZELLE_DAGSTER_POSTGRES_URL"}
    embedded = [part for part, name in parts.items() if not environ.get(name)]
    settings = Settings.load({name: value for name, value in environ.items() if name not in broken})
    try:
        refuse_unasked_sandbox(settings)
    except SettingsError as error:
        if "GAZELLE_API_URL" not in broken:
            return [*findings, Finding("parts", False, str(error))], broken | {"GAZELLE_API_URL"}
    embedded += [] if settings.api_url else [say("the SANDBOX, a Gazelle with invented clients")]
    text = say("nothing is embedded: every part is your own")
    if embedded:
        text = say("embedded: {parts}", parts=", ".join(embedded))
    # Which parts there will be is not known while a variable that names one makes no sense.
    is_known = broken.isdisjoint({*parts.values(), "GAZELLE_API_URL"})
    return [*findings, *([Finding("parts", True, text)] if is_known else [])], broken


def home_findings(settings: Settings) -> Iterator[Finding]:
    """Whether the home can be written and has room."""
    home, say = settings.home, translator(settings.language)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"room?")
        free = shutil.disk_usage(home).free
    except OSError as error:
        text = say(
            "{path} cannot be written ({error}). Set GAZELLE_SYNC_HOME to a folder of yours.",
            path=home,
            error=error.strerror,
        )
        yield Finding("home", False, text)
        return
    enough = free >= LEAST_FREE_BYTES
    text = say("{path} can be written, {gigabytes} GB free", path=home, gigabytes=say.decimal(free / 1e9))
    if not enough:
        text += ". " + say("Free some: logs and embedded data need 1 GB.")
    yield Finding("home", enough, text)
