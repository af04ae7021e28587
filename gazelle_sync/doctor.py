"""`gazelle-sync doctor`: settings, credentials, database, API, schema and clocks, each with what to do about it.

It takes the place of the predecessor's validation script: run it before the first sync, and when something is wrong.
A check that fails does not stop the others. A finding is not well only where a person has to act: what the next sync
puts right by itself (migrations, an access token that expired) is said and passes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import ApiError, CredentialsRefused, GazelleSyncError, SettingsError
from gazelle_sync.gazelle.auth import API_KEY_LENGTH, credentials_from
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.log import masked
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement

PREFIX = "GAZELLE_"
LEAST_VERSION = 15
LEAST_FREE_BYTES = 1_000_000_000
REFRESH_TOKEN_LIVES = timedelta(days=30)
CLOCKS_MAY_DIFFER = timedelta(seconds=60)
POOLER_PORT = 6543
"""Supabase's transaction-mode pooler."""

COUNT = "query DoctorCount { allClients { totalCount } }"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was examined.
        ok: Whether nobody has to act.
        text: What was found and, where it is not well, what to do.
    """

    name: str
    ok: bool
    text: str

    def line(self) -> str:
        """One line for a terminal."""
        return f"{'✓' if self.ok else '✗'} {self.name}: {self.text}"


def examine() -> Iterator[Finding]:
    """Run every check, in the order in which things depend on each other. What is not set is started for it."""
    environ = _environment()
    findings, broken = _settings_findings(environ)
    settings = Settings.load({name: value for name, value in environ.items() if name not in broken})
    secrets = _secrets(settings)
    for finding in [*findings, *_checks(settings, broken)]:
        yield replace(finding, text=masked(finding.text, secrets))


def _checks(settings: Settings, broken: set[str]) -> Iterator[Finding]:
    yield from _home(settings)
    with ExitStack() as stack:
        standing = settings
        try:
            standing = stack.enter_context(_stand(settings, api="GAZELLE_API_URL" not in broken))
        except (GazelleSyncError, OSError) as error:
            yield Finding("embedded parts", False, f"{error} What needs them is not examined.")
        api = None
        if standing.api_url is not None:
            yield from _credentials(standing, is_sandbox=settings.api_url is None)
            api = _open_api(stack, standing)
        database = yield from _database(stack, standing, broken)
        ahead: dict[str, timedelta] = {}
        if api is not None and (gazelle := (yield from _api(api))) is not None:
            ahead["Gazelle's"] = gazelle
            yield from _schema(api)
        if database is not None:
            yield from _database_clock(database, ahead)
        yield _clocks(ahead)


def _stand(settings: Settings, *, api: bool) -> AbstractContextManager[Settings]:
    from gazelle_sync import log
    from gazelle_sync.embedded import stand

    log.configure(settings, terminal_level=logging.CRITICAL)  # the findings say it
    return stand(settings, api=api)


# ---- settings


class _Recorder(dict[str, str]):
    """An environment that notes which variables are asked for, so that there is no second list of them."""

    def __init__(self, environ: dict[str, str]) -> None:
        super().__init__(environ)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def _environment() -> dict[str, str]:
    from dotenv import load_dotenv

    load_dotenv(Path.cwd() / ".env")
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def _settings_findings(environ: dict[str, str]) -> tuple[list[Finding], set[str]]:
    """The findings, and the variables that make no sense."""
    empty = _Recorder({})
    Settings.load(empty)
    findings: list[Finding] = []
    broken: set[str] = set()
    for name, value in sorted(environ.items()):
        try:
            Settings.load({name: value})
        except SettingsError as error:
            broken.add(name)
            findings.append(Finding("settings", False, f"{error}. Correct it in the environment or in .env."))
        if name not in empty.asked:
            known = ", ".join(sorted(empty.asked))
            findings.append(Finding("settings", False, f"{name} is not known. Is it mistyped? There are: {known}."))
    if not findings:
        said = ", ".join(sorted(environ)) or "nothing is set"
        findings.append(Finding("settings", True, f"every variable makes sense ({said})"))
    parts = {"PostgreSQL": "GAZELLE_DATABASE_URL", "Dagster's storage": "GAZELLE_DAGSTER_POSTGRES_URL"}
    embedded = [part for part, name in parts.items() if not environ.get(name)]
    embedded += [] if environ.get("GAZELLE_API_URL") else ["the sandbox Gazelle"]
    text = f"embedded: {', '.join(embedded)}" if embedded else "nothing is embedded: all of it is yours"
    return [*findings, Finding("parts", True, text)], broken


# ---- home


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"room?")
        free = shutil.disk_usage(home).free
    except OSError as error:
        yield Finding(
            "home", False, f"{home} cannot be written ({error.strerror}). Set GAZELLE_SYNC_HOME to a folder of yours."
        )
        return
    enough = free >= LEAST_FREE_BYTES
    text = f"{home} can be written, {free / 1e9:.1f} GB free"
    yield Finding("home", enough, text if enough else f"{text}. Free some: logs and embedded data need 1 GB.")


# ---- credentials


def _credentials(settings: Settings, *, is_sandbox: bool) -> Iterator[Finding]:
    if is_sandbox:
        yield Finding("credentials", True, "the sandbox has its own (set GAZELLE_API_URL to use an account)")
        return
    if settings.api_token:
        kind = "an API key" if len(settings.api_token) < API_KEY_LENGTH else "an access token, which is not refreshed"
        yield Finding("credentials", True, f"GAZELLE_API_TOKEN holds {kind}")
        return
    try:
        credentials_from(settings)
    except GazelleSyncError as error:
        yield Finding("credentials", False, str(error))
        return
    yield from _token_file(settings)


def _token_file(settings: Settings) -> Iterator[Finding]:
    path = settings.token_file
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("credentials", False, f"{path} can be read by other users (mode {mode:o}). Run: chmod 600 {path}")
    can_refresh = bool(settings.client_id and settings.client_secret)
    if not can_refresh:
        yield Finding(
            "credentials",
            False,
            f"{path} cannot be refreshed: set GAZELLE_CLIENT_ID and GAZELLE_CLIENT_SECRET, or the access token ends "
            "without another.",
        )
    yield _token_age(path, can_refresh=can_refresh)


def _token_age(path: Path, *, can_refresh: bool) -> Finding:
    token = json.loads(path.read_text(encoding="utf-8"))
    try:
        created = datetime.fromtimestamp(float(token["created_at"]), UTC)
        expires = created + timedelta(seconds=float(token["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return Finding("credentials", True, f"{path} does not say until when its token is good")
    now = datetime.now(UTC)
    can_refresh = can_refresh and bool(token.get("refresh_token"))
    if now < expires:
        return Finding("credentials", True, f"the access token in {path} is good until {_say(expires)}")
    if can_refresh and now < created + REFRESH_TOKEN_LIVES:
        return Finding("credentials", True, f"the access token in {path} ended {_say(expires)}; a sync refreshes it")
    return Finding(
        "credentials",
        False,
        f"the token in {path} of {_say(created)} has ended. Authorize the application again and save the answer there.",
    )


# ---- database


def _database(stack: ExitStack, settings: Settings, broken: set[str]) -> Generator[Finding, None, Connection | None]:
    """The findings; returns the connection, if there is one."""
    connection = None
    if settings.database_url is not None and "GAZELLE_DATABASE_URL" not in broken:
        try:
            connection = stack.enter_context(connect(settings.database_url, autocommit=True))
        except (GazelleSyncError, psycopg.Error) as error:
            yield Finding("database", False, str(error))
    if connection is not None:
        for check in (_server, _abilities, _migrations, _rights, _triggers):
            try:
                with database_errors():
                    yield check(connection, settings)
            except (GazelleSyncError, psycopg.Error) as error:
                yield Finding("database", False, f"{error} Correct this first, then run `gazelle-sync doctor` again.")
    if settings.dagster_postgres_url is not None and "GAZELLE_DAGSTER_POSTGRES_URL" not in broken:
        yield _dagster_storage(settings.dagster_postgres_url)
    return connection


def _server(connection: Connection, _settings: Settings) -> Finding:
    version = connection.info.server_version
    said = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version // 10_000 < LEAST_VERSION:
        return Finding("database", False, f"{said} is too old: use PostgreSQL {LEAST_VERSION} or newer.")
    # A pooler answers the handshake with a process id of its own.
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    is_pooled = row is None or row[0] != connection.info.backend_pid
    return Finding("database", True, f"{said} answers, {'through a pooler' if is_pooled else 'directly'}")


def _abilities(connection: Connection, _settings: Settings) -> Finding:
    """What a pull does with a connection, tried in a transaction that is taken back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [0x6761_7A03])
        connection.execute("CREATE TEMPORARY TABLE doctor_batch (n int) ON COMMIT DROP")
        with connection.cursor().copy("COPY doctor_batch (n) FROM STDIN") as copy:
            copy.write_row((1,))
        row = connection.execute("SELECT count(*) FROM doctor_batch").fetchone()
    well = row == (1,)
    text = "temporary tables, COPY and advisory locks work"
    return Finding("database", well, text if well else "COPY lost a row. Use PostgreSQL's own address, not this proxy.")


def _migrations(connection: Connection, settings: Settings) -> Finding:
    from gazelle_sync.warehouse.migrate import pending

    missing = pending(str(settings.database_url))
    if not missing:
        return Finding("migrations", True, "up to date")
    may_create, _, _ = _rights_of(connection)
    text = f"{len(missing)} to apply ({missing[0]} …)" if len(missing) > 1 else f"{missing[0]} is to be applied"
    if may_create:
        return Finding("migrations", True, f"{text}: the next sync does it, or `gazelle-sync migrate`")
    return Finding(
        "migrations",
        False,
        f"{text}, and this role may not create tables in schema public. Run `gazelle-sync migrate` as the owner.",
    )


def _rights(connection: Connection, _settings: Settings) -> Finding:
    _, may_create_temporary, refused = _rights_of(connection)
    if not may_create_temporary:
        return Finding(
            "rights", False, "this role may not make temporary tables. Grant it gazelle_writer (sql/migrations)."
        )
    if refused:
        return Finding(
            "rights",
            False,
            f"this role may not read and write {', '.join(refused)}. Grant it gazelle_writer (sql/migrations).",
        )
    return Finding("rights", True, "this role may read and write what it needs")


def _rights_of(connection: Connection) -> tuple[bool, bool, list[str]]:
    tables = [table.name for entity in ENTITIES for table in entity.tables]
    tables += [entity.staging_table for entity in ENTITIES] + ["system_settings", "sync_logs"]
    row = connection.execute(statement("doctor_rights"), {"tables": tables}).fetchone()
    return row if row else (False, False, [])


def _triggers(connection: Connection, _settings: Settings) -> Finding:
    found = [name for (name,) in connection.execute(statement("doctor_triggers"))]
    if found:
        return Finding(
            "old trigger",
            False,
            f"{', '.join(found)}: hours of appointments are changed as they are stored. Remove it as "
            "sql/migrations/004_remove_timezone_trigger.sql does, then run `gazelle-sync replay`.",
        )
    return Finding("old trigger", True, "none: instants are stored as Gazelle sends them")


def _dagster_storage(url: str) -> Finding:
    if urlsplit(url).port == POOLER_PORT:
        return Finding(
            "Dagster's storage",
            False,
            "GAZELLE_DAGSTER_POSTGRES_URL is a transaction-mode pooler (port 6543), where Dagster's LISTEN does not "
            "work. Use the direct address, or the session pooler (port 5432).",
        )
    try:
        connect(url).close()
    except (GazelleSyncError, psycopg.Error) as error:
        said = str(error).replace("GAZELLE_DATABASE_URL", "GAZELLE_DAGSTER_POSTGRES_URL")
        return Finding("Dagster's storage", False, said)
    return Finding("Dagster's storage", True, "answers")


# ---- API


def _open_api(stack: ExitStack, settings: Settings) -> GazelleClient | None:
    from gazelle_sync.gazelle.throttle import Throttle

    try:
        credentials = credentials_from(settings)
    except GazelleSyncError:
        return None  # said already
    # Three requests in all: no budget, which would need a database that may be what is wrong.
    throttle = Throttle(0, "")
    client = GazelleClient(str(settings.api_url), credentials, throttle, timeout_s=min(settings.timeout_s, 10))
    stack.callback(client.close)
    return client


def _api(client: GazelleClient) -> Generator[Finding, None, timedelta | None]:
    """The finding; returns how far Gazelle's clock is ahead of ours, if it answered."""
    begun, asked_at = time.perf_counter(), datetime.now(UTC)
    try:
        answer = client.execute("DoctorCount", COUNT)
        clients = answer.data["allClients"]["totalCount"]
    except CredentialsRefused as error:
        yield Finding("API", False, str(error))
        return None
    except (ApiError, SettingsError) as error:
        yield Finding("API", False, f"{error} Is {client.url} Gazelle's address (https://gazelleapp.io)?")
        return None
    except (KeyError, TypeError):
        yield Finding("API", False, f"{client.url} answers, but not as Gazelle does. Check GAZELLE_API_URL.")
        return None
    milliseconds = (time.perf_counter() - begun) * 1000
    yield Finding("API", True, f"{client.url} lets us in: {clients} clients, {milliseconds:.0f} ms")
    return answer.not_before - asked_at


def _schema(client: GazelleClient) -> Iterator[Finding]:
    """Whether the endpoint knows every field that we ask for."""
    from graphql import build_client_schema, get_introspection_query, parse, validate

    try:
        introspection = client.execute("IntrospectionQuery", get_introspection_query(descriptions=False)).data
        schema = build_client_schema(introspection)  # type: ignore[arg-type] # as the endpoint says it
    except (ApiError, TypeError) as error:
        yield Finding(
            "schema",
            True,
            f"the endpoint does not tell its schema ({_first_line(error)}), so our operations are tried by the first "
            "sync; watch what `gazelle-sync status` says after it",
        )
        return
    texts = _operations()
    refused = {name: errors for name, text in texts.items() if (errors := validate(schema, parse(text)))}
    for name, errors in refused.items():
        yield Finding(
            "schema",
            False,
            f"Gazelle would refuse {name}: {_first_line(errors[0])} Its API has changed: a newer gazelle-sync is "
            "needed; what is stored stays as it is.",
        )
    if not refused:
        yield Finding("schema", True, f"every operation of ours is accepted ({len(texts)}); {_features(schema)}")


def _operations() -> dict[str, str]:
    """What a pull sends, by name."""
    from gazelle_sync.gazelle import documents

    texts = {f"{entity.name}.graphql": documents.document(entity.name) for entity in ENTITIES}
    texts |= {f"{e.name} by id": documents.by_ids(e, ["an id"])[0] for e in ENTITIES if e.by_id}
    texts |= {
        "the timeline's count": documents.TIMELINE_COUNT,
        "the timeline's newest page": documents.timeline_tick(),
        "the timeline's counts": documents.timeline_counts(2),
    }
    return texts


def _features(schema: Any) -> str:
    from gazelle_sync.pull.features import UPDATED_AT_DESC

    sorted_by_change = [
        entity.name
        for entity in ENTITIES
        if entity.sort_enum and UPDATED_AT_DESC in getattr(schema.get_type(entity.sort_enum), "values", {})
    ]
    if sorted_by_change:
        return f"newest changes first for {', '.join(sorted_by_change)}: a tick stops early"
    return "no order by change: a tick reads all stamps"


# ---- clocks


def _database_clock(connection: Connection, ahead: dict[str, timedelta]) -> Iterator[Finding]:
    """Note how far the database's clock is ahead of ours."""
    asked_at = datetime.now(UTC)
    try:
        with database_errors():
            row = connection.execute("SELECT clock_timestamp()").fetchone()
    except GazelleSyncError as error:
        yield Finding("clock", False, str(error))
        return
    if row is not None:
        ahead["the database's"] = row[0].astimezone(UTC) - asked_at


def _clocks(ahead: dict[str, timedelta]) -> Finding:
    """Hold the clocks against each other; the one that stands alone is the one to set.

    Args:
        ahead: Whose clock → how far it is ahead of this machine's.
    """
    if not ahead:
        return Finding(
            "clock", True, "neither Gazelle nor the database answered, so there is nothing to hold it against"
        )
    off = {whose: difference for whose, difference in ahead.items() if abs(difference) > CLOCKS_MAY_DIFFER}
    if not off:
        furthest = max(abs(difference.total_seconds()) for difference in ahead.values())
        return Finding("clock", True, f"{', '.join(ahead)} and this machine's agree within {furthest + 1:.0f} s")
    said = ", ".join(f"{whose} is {_ahead(difference)} this machine's" for whose, difference in off.items())
    if off.keys() == ahead.keys():
        return Finding("clock", False, f"{said}. Set this machine's clock (timedatectl set-ntp true), then look again.")
    if "Gazelle's" in off:
        return Finding(
            "clock",
            False,
            f"{said}. Nothing has to be set here, since the sync goes by Gazelle's clock. If it lasts, tell Gazelle.",
        )
    return Finding(
        "clock", False, f"{said}. Have the database server's clock set (NTP): ages in `status` are off by it."
    )


def _ahead(difference: timedelta) -> str:
    seconds = abs(difference.total_seconds())
    span = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
    return f"{span} {'ahead of' if difference > timedelta(0) else 'behind'}"


def _say(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _first_line(error: Any) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _secrets(settings: Settings) -> list[str]:
    """Of the environment and of the token file."""
    found = [*settings.secrets]
    try:
        token = json.loads(settings.token_file.read_text(encoding="utf-8"))
        found += [str(token[name]) for name in ("access_token", "refresh_token") if token.get(name)]
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return found
