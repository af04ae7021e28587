"""Every environment variable, typed, with its default and its meaning.

Nothing is read at import: `Settings.load()` reads the environment (and `.env`, which never overrides it) once, when a
command or a run begins. Dagster definitions load with nothing set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from gazelle_sync.errors import SettingsError
from gazelle_sync.montreal import montreal_day

PROJECT_ROOT = Path(__file__).resolve().parent.parent
LONGEST_DAYS = 36_500
LONGEST_TIMEOUT_S = 3600
SLOWEST_RATE_PER_S = 0.01
MOST_RATE_PER_S = 1000
GRAPHQL_PATH = "/graphql/private/"
DEFAULT_PARTITIONS_START = date(2026, 1, 1)
LANGUAGES = ("en", "fr")
DEFAULT_UI_URL = "http://127.0.0.1:3000"
TOKEN_PLACE = "config/token.json"  # noqa: S105 - a path
OURS = "GAZELLE_"
"""What the names of our variables begin with."""
PATHS = ("GAZELLE_TOKEN_FILE", "GAZELLE_SYNC_HOME")
SANDBOX_BY_NAME = "sandbox"
_TOKEN = re.compile(r"(?=.*[0-9]|.{20})[\w%+=-]{8,}")


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        api_url: Base URL of Gazelle, without a trailing slash; None: the sandbox of our own.
        wants_sandbox: Whether the sandbox was asked for by name (`GAZELLE_API_URL=sandbox`).
        api_token: API key (shorter than 50 characters) or access token.
        client_id: OAuth client.
        client_secret: OAuth client secret.
        token_file: OAuth answer as JSON; refreshed and rewritten in place.
        database_url: The shop's PostgreSQL; None: embedded.
        dagster_postgres_url: Dagster's own storage; None: embedded.
        home: Where embedded data, logs and state live.
        page_size: Records asked for at once; a page that Gazelle refuses is asked for again in smaller ones.
        rate_per_s: Requests a second, over all processes; 0: no limit of ours.
        timeout_s: Seconds to wait for an answer.
        window_past_days: Ticks read appointments from this many days ago.
        window_future_days: … to this many days ahead.
        partitions_start: First daily partition (a Montreal day).
        retention_days: How long superseded staged versions are kept.
        dagster_retention_days: How long Dagster's runs and events are kept.
        language: `en` or `fr`, for what shop staff read.
        push_transport: `graphql` or `rest`: how edits are sent.
        push_service: `comment` or `event`: what becomes of work that was done.
        alert_urls: Apprise addresses that alerts go to; none: alerts are logged and stand in `alert_log`.
        ui_url: Where a browser finds the Dagster UI, without a trailing slash: alerts link to runs there.
    """

    api_url: str | None = None
    api_token: str | None = field(default=None, repr=False)
    client_id: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    token_file: Path = Path("config/token.json")
    database_url: str | None = field(default=None, repr=False)
    dagster_postgres_url: str | None = field(default=None, repr=False)
    home: Path = Path(".gazelle_sync")
    page_size: int = 1000
    rate_per_s: float = 10.0
    timeout_s: float = 30.0
    window_past_days: int = 30
    window_future_days: int = 365
    partitions_start: date = DEFAULT_PARTITIONS_START
    retention_days: int = 90
    dagster_retention_days: int = 30
    language: str = "en"
    push_transport: str = "graphql"
    push_service: str = "comment"
    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    ui_url: str = DEFAULT_UI_URL
    wants_sandbox: bool = False

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment.

        Args:
            environ: The variables; None: the process's own, after `.env` (see `dot_env`).

        Raises:
            SettingsError: A value makes no sense; the message names the variable.
        """
        if environ is None:
            load_dot_env()
            environ = os.environ
        read = _Reader(environ)
        wants_sandbox = (read.text("GAZELLE_API_URL") or "").lower() == SANDBOX_BY_NAME
        transport = read.choice("GAZELLE_PUSH_TRANSPORT", "graphql", ("graphql", "rest"))
        service = read.choice("GAZELLE_PUSH_SERVICE", "comment", ("comment", "event"))
        if (transport, service) == ("rest", "event"):
            raise SettingsError("GAZELLE_PUSH_SERVICE=event needs GAZELLE_PUSH_TRANSPORT=graphql: REST has no visits.")
        home = Path(read.text("GAZELLE_SYNC_HOME") or PROJECT_ROOT / ".gazelle_sync").absolute()
        return cls(
            api_url=None if wants_sandbox else read.base_url("GAZELLE_API_URL"),
            wants_sandbox=wants_sandbox,
            api_token=read.secret("GAZELLE_API_TOKEN"),
            client_id=read.text("GAZELLE_CLIENT_ID"),
            client_secret=read.text("GAZELLE_CLIENT_SECRET"),
            token_file=Path(read.text("GAZELLE_TOKEN_FILE") or TOKEN_PLACE).absolute(),
            database_url=read.postgres_url("GAZELLE_DATABASE_URL"),
            dagster_postgres_url=read.postgres_url("GAZELLE_DAGSTER_POSTGRES_URL"),
            home=home,
            page_size=int(read.number("GAZELLE_PAGE_SIZE", 1000, least=1)),
            rate_per_s=read.rate("GAZELLE_RATE_PER_S", 10),
            timeout_s=read.number("GAZELLE_TIMEOUT_S", 30, least=0.1, most=LONGEST_TIMEOUT_S),
            window_past_days=int(read.number("GAZELLE_WINDOW_PAST_DAYS", 30, least=0, most=LONGEST_DAYS)),
            window_future_days=int(read.number("GAZELLE_WINDOW_FUTURE_DAYS", 365, least=0, most=LONGEST_DAYS)),
            partitions_start=read.day("GAZELLE_PARTITIONS_START", DEFAULT_PARTITIONS_START),
            retention_days=int(read.number("GAZELLE_RETENTION_DAYS", 90, least=0, most=LONGEST_DAYS)),
            dagster_retention_days=int(read.number("GAZELLE_DAGSTER_RETENTION_DAYS", 30, least=1, most=LONGEST_DAYS)),
            language=read.choice("GAZELLE_LANG", "en", LANGUAGES),
            push_transport=transport,
            push_service=service,
            alert_urls=read.alert_urls("GAZELLE_ALERT_URLS"),
            ui_url=read.base_url("GAZELLE_UI_URL") or _last_ui(home) or DEFAULT_UI_URL,
        )

    @classmethod
    def for_definitions(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The defaults, with the language and the first partition that the environment says where they make sense.

        Dagster's definitions load whatever is set: one mistyped value must not take the whole UI away. Whoever needs a
        value reads it with `load`, and says what is wrong with it.

        Args:
            environ: As for `load`.
        """
        if environ is None:
            with suppress(SettingsError, OSError):
                load_dot_env()
            environ = os.environ
        read = _Reader(environ)
        settings = cls()
        with suppress(SettingsError):
            settings = replace(settings, language=read.choice("GAZELLE_LANG", "en", LANGUAGES))
        with suppress(SettingsError):
            settings = replace(
                settings, partitions_start=read.day("GAZELLE_PARTITIONS_START", DEFAULT_PARTITIONS_START)
            )
        return settings

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be written anywhere (the log masks them)."""
        from psycopg.conninfo import conninfo_to_dict  # it also finds a password among the parameters

        urls = [url for url in (self.database_url, self.dagster_postgres_url) if url]
        passwords = [str(conninfo_to_dict(url).get("password") or "") for url in urls]
        passwords += [urlsplit(url).password or "" for url in urls]
        alerts = [secret for url in self.alert_urls for secret in secrets_of_alert_url(url)]
        return tuple(s for s in (self.api_token, self.client_secret, *passwords, *alerts) if s)


def ui_file(home: Path) -> Path:
    """Where `gazelle-sync up` notes the address of its UI, for whatever is started beside it or later."""
    return home / "ui.url"


def _last_ui(home: Path) -> str | None:
    try:
        return ui_file(home).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def refuse_unasked_sandbox(settings: Settings) -> None:
    """Refuse to fill somebody's database with the sandbox's invented account because a variable got lost.

    Raises:
        SettingsError: A database is set, no API, and nobody asked for the sandbox.
    """
    if settings.api_url is None and settings.database_url is not None and not settings.wants_sandbox:
        raise SettingsError(
            "GAZELLE_DATABASE_URL is set and GAZELLE_API_URL is not: the sandbox's invented clients would go into that "
            "database. Nothing was done. Set GAZELLE_API_URL to https://gazelleapp.io (was `.env` found? It is looked "
            f"for in the current folder, then in {PROJECT_ROOT}), or to `sandbox` if the sandbox is what you want."
        )


def dot_env() -> Path | None:
    """The `.env` that is read: the current folder's or, where that names no variable of ours, the project's.

    A scheduled command is started from anywhere, and another project's folder may have a `.env` of its own.

    Raises:
        SettingsError: It cannot be read.
    """
    for folder in (Path.cwd(), PROJECT_ROOT):
        if any(name.startswith(OURS) for name in _read_dot_env(folder / ".env")):
            return folder / ".env"
    return None


def load_dot_env() -> None:
    """Add what `.env` says to the environment, which it never overrides; what is relative in it starts from its folder.

    Raises:
        SettingsError: It cannot be read.
    """
    from dotenv import load_dotenv

    path = dot_env()
    if path is None:
        return
    said = {name: value for name, value in _read_dot_env(path).items() if value and name not in os.environ}
    if not load_dotenv(path):  # PYTHON_DOTENV_DISABLED is set
        return
    os.environ.update({name: str(path.parent / said[name]) for name in PATHS if name in said})
    if path.parent != Path.cwd():
        os.environ.setdefault("GAZELLE_TOKEN_FILE", str(path.parent / TOKEN_PLACE))


def _read_dot_env(path: Path) -> dict[str, str | None]:
    from dotenv import dotenv_values

    try:
        return dotenv_values(path)
    except UnicodeDecodeError:
        lines = path.read_bytes().splitlines()
        number = next(n for n, line in enumerate(lines, start=1) if not _is_utf8(line))
        raise SettingsError(  # without the line: it may hold a secret
            f"{path} cannot be read: line {number} holds a letter in another encoding than UTF-8. Save the file as "
            "UTF-8."
        ) from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def secrets_of_alert_url(url: str) -> tuple[str, ...]:
    """What nobody may read of an Apprise address: its password, and each part that looks like a token.

    Many services (Slack, Discord, …) write the token where other addresses have a host or a path.
    """
    parts = urlsplit(url)
    words = [*re.split(r"[/@:,]", f"{parts.netloc}/{parts.path}"), *(value for _, value in parse_qsl(parts.query))]
    tokens = [word for word in words if _TOKEN.fullmatch(word)]
    found = [url, parts.password, *tokens]
    return tuple(dict.fromkeys(form for secret in found if secret for form in (secret, unquote(secret))))


_FOREIGN_PARAMETERS = {"pgbouncer", "connection_limit", "pool_timeout", "schema", "supa"}


def _without_foreign_parameters(url: str) -> str:
    """Drop `pgbouncer=true` and its like, which Supabase's page adds for another library and libpq refuses."""
    parts = urlsplit(url)
    if not any(key in _FOREIGN_PARAMETERS for key, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return url
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in _FOREIGN_PARAMETERS]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def _is_readable(url: str) -> bool:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except (ProgrammingError, ValueError):
        return False
    return "@" not in str(parts.get("host", ""))


@dataclass(frozen=True)
class _Reader:
    environ: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.environ.get(name, "").strip() or None

    def base_url(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not is_address:
            raise SettingsError(f"{name} is not a web address: it should look like https://gazelleapp.io")
        if "?" in value or "#" in value:
            raise SettingsError(f"{name} should end before the ? or the #: it should look like https://gazelleapp.io")
        return value.rstrip("/").removesuffix(GRAPHQL_PATH.rstrip("/")).rstrip("/")

    def postgres_url(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise SettingsError(f"{name} is not a PostgreSQL address: it should begin with postgresql://")
        if value is None:
            return None
        try:
            value = _without_foreign_parameters(value)
        except ValueError:
            value = ""
        if not value or not _is_readable(value):
            raise SettingsError(  # without the value: it holds a password
                f"{name} cannot be read as a PostgreSQL address. Letters such as @ : / % [ ] in a user's name or a "
                "password are written in percent form: %40 %3A %2F %25 %5B %5D."
            )
        return value

    def secret(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not (value.isascii() and value.isprintable()):
            raise SettingsError(f"{name} holds a letter that no key has (an accent, a line break): copy it again.")
        return value

    def alert_urls(self, name: str) -> tuple[str, ...]:
        """Addresses, with commas or white space between them (an address may hold commas of its own)."""
        value = self.text(name) or ""
        urls = [part.strip(" ,;") for part in re.split(r"[\s,;]+(?=[A-Za-z][\w+.-]*://)", value)]
        for number, url in enumerate(filter(None, urls), start=1):
            try:
                is_address = "://" in url and bool(urlsplit(url).scheme)
            except ValueError:
                is_address = False
            if not is_address:  # without the value: it holds a password
                raise SettingsError(
                    f"{name}: address {number} cannot be read. It should look like "
                    "mailtos://name:password@example.com or slack://…; letters such as @ : / in a password are "
                    "written in percent form."
                )
        return tuple(filter(None, urls))

    def number(self, name: str, default: float, *, least: float, most: float = float("inf")) -> float:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            raise SettingsError(f"{name} should be a number, not {value!r}") from None
        if not least <= number <= most or number == float("inf"):
            limits = f"{least:g} or more" if most == float("inf") else f"between {least:g} and {most:g}"
            raise SettingsError(f"{name} should be {limits}, not {value!r}")
        return number

    def rate(self, name: str, default: float) -> float:
        """Requests a second: 0, or so many that a run comes to an end."""
        rate = self.number(name, default, least=0, most=MOST_RATE_PER_S)
        if 0 < rate < SLOWEST_RATE_PER_S:
            raise SettingsError(
                f"{name} should be 0 (no limit) or between {SLOWEST_RATE_PER_S:g} and {MOST_RATE_PER_S:g}, "
                f"not {self.text(name)!r}"
            )
        return rate

    def day(self, name: str, default: date) -> date:
        value = self.text(name)
        if value is None:
            return default
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise SettingsError(f"{name} should be a day such as 2016-01-01, not {value!r}") from None
        if day > montreal_day(datetime.now(UTC)):
            raise SettingsError(f"{name} lies ahead: it should be today or a day before, not {value!r}")
        return day

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in choices:
            raise SettingsError(f"{name} should be one of {', '.join(choices)}, not {value!r}")
        return value.lower()
