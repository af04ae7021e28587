"""Every environment variable: its type, default, meaning and valid values.

Nothing is read at import: `Settings.load()` reads the environment (and `.env`, which never overrides it) once, when a
command or a run begins. Dagster definitions load with nothing set, and with anything set wrongly.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.settings.values import (
    AT_THREE,
    EVERY_QUARTER,
    SHOP_NAME,
    SUNDAYS_AT_THREE,
    AbsolutePath,
    AlertAddresses,
    Cron,
    Day,
    Days,
    Key,
    Names,
    Percent,
    PostgresAddress,
    Secret,
    ShopName,
    TokenKeys,
    WebAddress,
    longest_pause,
    lowered,
    within,
)

PACKAGE = Path(__file__).resolve().parents[1]
PROJECT_ROOT = PACKAGE.parent
"""The checkout or, where a wheel was installed, the folder of the packages."""
IS_CHECKOUT = (PROJECT_ROOT / "sql").is_dir()
FILES = PROJECT_ROOT if IS_CHECKOUT else PACKAGE / "files"
"""Where `sql/`, `deploy/`, `dagster.yaml` and `workspace.yaml` are: a wheel carries them inside the package."""
OWN_FOLDER = PROJECT_ROOT if IS_CHECKOUT else Path.home() / ".gazelle_sync"
"""Where `.env` is looked for after the current folder."""
TOKEN_PLACE = "config/token.json"  # noqa: S105 - a path
PREFIX = "GAZELLE_"
PATHS = ("GAZELLE_TOKEN_FILE", "GAZELLE_SYNC_HOME", "GAZELLE_FLEET_DIR")
_TOKEN = re.compile(r"(?=.*[0-9]|.{20})[\w%+=-]{8,}")

_PYDANTIC_SENTENCES = {
    "float_parsing": Message("should be a number"),
    "int_parsing": Message("should be a whole number"),
    "literal_error": Message("should be one of {choices}"),
}


class Settings(BaseSettings):
    """The settings. A field is the variable `GAZELLE_<FIELD>` unless it names another.

    The constructor takes arguments and defaults: only `load` reads the environment.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, populate_by_name=True, validate_default=True
    )

    api_url: WebAddress | None = None
    """Base URL of Gazelle, without a trailing slash; None: the sandbox of our own."""
    api_token: Key | None = Field(default=None, repr=False)
    """API key (shorter than 50 characters) or access token."""
    client_id: str | None = Field(default=None, repr=False)
    """OAuth client."""
    client_secret: str | None = Field(default=None, repr=False)
    """OAuth client secret."""
    token_file: AbsolutePath = Path(TOKEN_PLACE)
    """OAuth answer as JSON; refreshed and rewritten in place."""
    token_store: Annotated[Literal["file", "database"], lowered] = "file"  # noqa: S105 - a place
    """Where the OAuth token is kept once it has been refreshed; `database` also takes a newer one from the file."""
    token_key: TokenKeys = Field(default=(), repr=False)
    """Keys of the token in the database: the first encrypts, any decrypts."""
    database_url: PostgresAddress | None = Field(default=None, repr=False)
    """The shop's PostgreSQL; None: embedded."""
    dagster_postgres_url: PostgresAddress | None = Field(default=None, repr=False)
    """Dagster's own storage; None: embedded."""
    home: AbsolutePath = Field(
        default=PROJECT_ROOT / ".gazelle_sync" if IS_CHECKOUT else OWN_FOLDER, validation_alias="GAZELLE_SYNC_HOME"
    )
    """Where embedded data, logs and state live."""
    page_size: Annotated[int, within(1)] = 1000
    """Records asked for at once; a page that Gazelle refuses is asked for again in smaller ones."""
    rate_per_s: Annotated[float, within(0.01, 1000, or_zero=True)] = 10.0
    """Requests a second, over all processes; 0: no limit of ours."""
    timeout_s: Annotated[float, within(0.1, 3600)] = 30.0
    """Seconds to wait for an answer."""
    window_past_days: Days = 30
    """Ticks read appointments from this many days ago."""
    window_future_days: Days = 365
    """… to this many days ahead."""
    tick_schedule: Cron = EVERY_QUARTER
    """When a tick runs: a cron expression, by Montreal's clock as the two below."""
    nightly_schedule: Cron = AT_THREE
    """When the nightly run does."""
    weekly_schedule: Cron = SUNDAYS_AT_THREE
    """When the deep run does."""
    partitions_start: Day = date(2026, 1, 1)
    """First daily partition (a Montreal day)."""
    retention_days: Days = 90
    """How long superseded staged versions are kept."""
    dagster_retention_days: Annotated[int, within(1, 36_500)] = 30
    """How long Dagster's runs and events are kept."""
    language: Annotated[Literal["en", "fr"], lowered] = Field(default="en", validation_alias="GAZELLE_LANG")
    """For what shop staff read."""
    push_transport: Annotated[Literal["graphql", "rest"], lowered] = "graphql"
    """How edits are sent."""
    push_service: Annotated[Literal["comment", "event"], lowered] = "comment"
    """What becomes of work that was done."""
    alert_urls: AlertAddresses = Field(default=(), repr=False)
    """Apprise addresses that alerts go to; none: alerts are in the log file and in `alert_log` only."""
    maintenance_urls: AlertAddresses = Field(default=(), repr=False)
    """Apprise addresses of the digest of maintenance alerts; none: those of `alert_urls`."""
    cash_urls: AlertAddresses = Field(default=(), repr=False)
    """Apprise addresses of the daily digest of payments; none: those of `alert_urls`."""
    maintenance_clients: Names = ()
    """Tags or ids of the clients whose notes are scanned for maintenance alerts; none: all clients."""
    maintenance_low_humidity_clients: Names = ()
    """Tags or ids of the clients who want to know of any low humidity."""
    humidity_high: Percent = 70
    """From here on a reading alone says that it is too humid."""
    humidity_critical_low: Percent = 29
    """Down from here a reading alone says that it is too dry."""
    humidity_low: Percent = 35
    """Down from here it does for those clients."""
    shop: ShopName | None = None
    """The shop's name, where several share an instance of Dagster: its assets, pools and runs bear it."""
    fleet_dir: AbsolutePath = Path("shops.d")
    """Folder of the shops of a fleet."""
    fleet_every_minutes: Annotated[int, within(1, 60)] = 15
    """How often each shop of a fleet has its turn."""
    fleet_at_once: Annotated[int, within(1, 100)] = 6
    """How many shops of a run are at work side by side."""
    fleet_tick_s: Annotated[float, within(1, 3600)] = 300.0
    """How long a shop's turn may take."""
    fleet_full_s: Annotated[float, within(1, 86_400)] = 21_600.0
    """How long a shop's first import or full run may take."""
    fleet_memory_mb: Annotated[int, within(16, 65_536)] = 512
    """How much memory a shop's process may use."""
    ui_url: WebAddress = "http://127.0.0.1:3000"
    """Address of the Dagster UI, without a trailing slash: alerts link to runs there."""

    desk_url: WebAddress | None = None
    """Address by which people reach the desk, without a trailing slash; None: on this machine only."""
    desk_login: Annotated[Literal["none", "password", "proxy"], lowered] = "none"
    """How the desk knows who somebody is; `none`: the system's user, on this machine only."""
    desk_proxy_header: str | None = None
    """Header in which a proxy says who somebody is."""
    desk_proxies: Names = ("127.0.0.1", "::1")
    """Addresses of that proxy: the header counts from there only."""
    desk_secret: Secret | None = Field(default=None, repr=False)
    """What sessions of the desk are signed with; None: a key that is made once in the home."""

    wants_sandbox: bool = False
    """Whether the sandbox was asked for by name (`GAZELLE_API_URL=sandbox`); no variable of its own."""

    @model_validator(mode="after")
    def _visits_need_graphql(self) -> Settings:
        if (self.push_transport, self.push_service) == ("rest", "event"):
            raise ValueError(
                gettext("GAZELLE_PUSH_SERVICE=event needs GAZELLE_PUSH_TRANSPORT=graphql: REST has no visits.")
            )
        return self

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only; `load` adds the environment."""
        return (sources["init_settings"],)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment.

        Args:
            environ: The variables; None: the process's own, after `.env` (see `_dot_env`).

        Raises:
            SettingsError: A value is not valid; the message names the variable.
        """
        if environ is None:
            load_dot_env()
            environ = os.environ
        source = EnvSettingsSource(cls)
        source.env_vars = {
            name.lower(): value for name in cls.variables().values() if (value := environ.get(name, "").strip())
        }
        said = source()
        if said.get("api_url", "").lower() == "sandbox":
            said |= {"api_url": None, "wants_sandbox": True}
        try:
            settings = cls(**said)
        except ValidationError as error:
            raise SettingsError(cls._sentence(error)) from None  # without pydantic's message, which quotes secrets
        if "ui_url" not in said and (last := _last_ui(settings.home)):
            settings = settings.replace(ui_url=last)
        return settings

    @classmethod
    def for_definitions(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The defaults, with the language, first partition and schedules of the environment where those are valid.

        Dagster's definitions load whatever is set: one mistyped value must not make the whole UI unavailable. What
        needs a value reads it with `load`, and reports what is wrong with it.

        Args:
            environ: As for `load`.
        """
        if environ is None:
            with suppress(SettingsError, OSError):
                load_dot_env()
            environ = os.environ
        settings = cls()
        for field in ("language", "partitions_start", "tick_schedule", "nightly_schedule", "weekly_schedule"):
            variable = cls.variables()[field]
            if said := environ.get(variable, "").strip():  # each asset asks: what is not set is not read
                with suppress(SettingsError):
                    settings = settings.replace(**{field: getattr(cls.load({variable: said}), field)})
        return settings

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Field → the variable that sets it."""
        fields = {name: field for name, field in cls.model_fields.items() if name != "wants_sandbox"}
        return {name: str(field.validation_alias or f"{PREFIX}{name.upper()}") for name, field in fields.items()}

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        """What is wrong with the first variable that is not valid."""
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            return str(first["ctx"]["error"])
        name = str(first["loc"][0])
        name = cls.variables().get(name, name)
        if first["type"] == "value_error":
            return f"{name} {first['ctx']['error']}"
        choices = str(first.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ")
        ours = _PYDANTIC_SENTENCES.get(first["type"])
        said = gettext(ours, choices=choices) if ours else first["msg"]
        return gettext("{name} {said}, not {value}", name=name, said=said, value=repr(first["input"]))

    def replace(self, **changes: Any) -> Settings:
        """A copy with other values for some fields, which are not validated."""
        return self.model_copy(update=changes)

    @property
    def pause(self) -> timedelta:
        """How much longer than 15 minutes may lie between two ticks: so much later is something late."""
        return longest_pause(self.tick_schedule)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not be written anywhere (the log masks them)."""
        from psycopg.conninfo import conninfo_to_dict  # it also finds a password among the parameters

        urls = [url for url in (self.database_url, self.dagster_postgres_url) if url]
        passwords = [str(conninfo_to_dict(url).get("password") or "") for url in urls]
        passwords += [urlsplit(url).password or "" for url in urls]
        addresses = (*self.alert_urls, *self.maintenance_urls, *self.cash_urls)
        alerts = [secret for url in addresses for secret in secrets_of_alert_url(url)]
        return tuple(
            s for s in (self.api_token, self.client_secret, self.desk_secret, *self.token_key, *passwords, *alerts) if s
        )


def shop_name() -> str | None:
    """`GAZELLE_SHOP` as the environment has it; None: no name, or one that is not valid, which a run reports."""
    said = os.environ.get("GAZELLE_SHOP", "").strip()
    return said if SHOP_NAME.fullmatch(said) else None


def ui_file(home: Path) -> Path:
    """The file in which `gazelle-sync up` writes the address of its UI, for processes that start later."""
    return home / "ui.url"


def _last_ui(home: Path) -> str | None:
    try:
        return ui_file(home).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def refuse_unasked_sandbox(settings: Settings) -> None:
    """Refuse to fill a real database with the sandbox's invented account because a variable is missing.

    Raises:
        SettingsError: A database is set, no API, and the sandbox was not asked for.
    """
    if settings.api_url is None and settings.database_url is not None and not settings.wants_sandbox:
        raise SettingsError(
            gettext(
                "GAZELLE_DATABASE_URL is set and GAZELLE_API_URL is not: the sandbox's invented clients would go into "
                "that database. Nothing was done. Set GAZELLE_API_URL to https://gazelleapp.io (was `.env` found? It "
                "is looked for in the current folder, then in {folder}), or to `sandbox` if the sandbox is what you "
                "want.",
                folder=OWN_FOLDER,
            )
        )


def _dot_env() -> Path | None:
    """The `.env` that is read: the current folder's or, where that names no variable of ours, the one in `OWN_FOLDER`.

    A scheduled command is started from anywhere, and another project's folder may have a `.env` of its own.

    Raises:
        SettingsError: It cannot be read.
    """
    for folder in (Path.cwd(), OWN_FOLDER):
        if any(name.startswith(PREFIX) for name in read_dot_env(folder / ".env")):
            return folder / ".env"
    return None


def load_dot_env() -> None:
    """Add the variables of `.env` to the environment, which it never overrides; its relative paths start at its folder.

    Raises:
        SettingsError: It cannot be read.
    """
    from dotenv import load_dotenv

    path = _dot_env()
    if path is None:
        return
    said = {name: value for name, value in read_dot_env(path).items() if value and name not in os.environ}
    if not load_dotenv(path):  # PYTHON_DOTENV_DISABLED is set
        return
    os.environ.update({name: str(path.parent / said[name]) for name in PATHS if name in said})
    if path.parent != Path.cwd():
        os.environ.setdefault("GAZELLE_TOKEN_FILE", str(path.parent / TOKEN_PLACE))


def read_dot_env(path: Path) -> dict[str, str | None]:
    """The variables of a file; none where it is not there.

    Raises:
        SettingsError: It is not UTF-8.
    """
    from dotenv import dotenv_values

    try:
        return dotenv_values(stream=StringIO(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(  # without the line: it may hold a secret
            gettext(
                "{path} cannot be read: line {number} holds a letter in another encoding than UTF-8. Save the file as "
                "UTF-8.",
                path=path,
                number=number,
            )
        ) from None


def secrets_of_alert_url(url: str) -> tuple[str, ...]:
    """The secrets in an Apprise address: itself, its password, and each part that looks like a token.

    Many services (Slack, Discord, …) write the token where other addresses have a host or a path.
    """
    parts = urlsplit(url)
    words = [*re.split(r"[/@:,]", f"{parts.netloc}/{parts.path}"), *(value for _, value in parse_qsl(parts.query))]
    tokens = [word for word in words if _TOKEN.fullmatch(word)]
    found = [url, parts.password, *tokens]
    return tuple(dict.fromkeys(form for secret in found if secret for form in (secret, unquote(secret))))
