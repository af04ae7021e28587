"""Which account a database belongs to. A real account must not be mixed with the sandbox's invented data."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from gazelle_sync.errors import GazelleSyncError, SettingsError, WrongAccount
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_setting

SOURCE_SETTING, ACCOUNT, SANDBOX = "source", "account", "sandbox"
SANDBOX_NOTICE = Message(
    "SANDBOX: what follows is invented, nothing of a real shop (GAZELLE_API_URL names the account)."
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def source_of(api_url: str) -> str:
    """`sandbox` or `account`, by the API's address: one on this machine is a sandbox."""
    return SANDBOX if urlsplit(api_url).hostname in LOOPBACK else ACCOUNT


def read_source(url: str) -> str | None:
    """`sandbox` or `account`, as the first pull recorded it; None where there was no pull.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(url) as connection:
        row = connection.execute("SELECT to_regclass('public.system_settings')::text").fetchone()
        return read_setting(connection, SOURCE_SETTING) if row and row[0] else None


def is_sandbox(settings: Settings, *, api: bool) -> bool:
    """Whether the data that a command shows or writes are a sandbox's.

    Args:
        settings: Of `embedded.embedded_services`.
        api: Whether the command uses the API; otherwise the database decides.
    """
    if api and settings.api_url is not None:
        return source_of(settings.api_url) == SANDBOX
    try:
        return settings.database_url is not None and read_source(settings.database_url) == SANDBOX
    except GazelleSyncError:
        return False  # the command itself says what is wrong


def environment_is_sandbox() -> bool:
    """Whether the environment points to a sandbox; for Dagster's definitions, which load before anything starts."""
    Settings.for_definitions()  # it adds what `.env` says to the environment
    named = {name: os.environ.get(name, "") for name in ("GAZELLE_API_URL", "GAZELLE_DATABASE_URL")}
    try:
        settings = Settings.load(named)
    except SettingsError:
        return False
    if settings.api_url is not None:
        return source_of(settings.api_url) == SANDBOX
    return settings.wants_sandbox or settings.database_url is None


def refuse_mixing(before: str | None, api_url: str) -> None:
    """Refuse to pull an account into a database that holds another one.

    Args:
        before: What the first pull into the database recorded (`SOURCE_SETTING`); None: there was none.
        api_url: The account's.

    Raises:
        WrongAccount: A variable is missing, or names another account's database.
    """
    if before in (None, source_of(api_url)):
        return
    raise WrongAccount(
        gettext(
            "This database holds a real account, and GAZELLE_API_URL is not set or names a sandbox, whose invented "
            "clients would be mixed in. Nothing was done. Set GAZELLE_API_URL, or another GAZELLE_DATABASE_URL."
        )
        if before == ACCOUNT
        else gettext(
            "This database holds the sandbox's invented account: a real one would be mixed in. Nothing was done. Set "
            "GAZELLE_DATABASE_URL to an empty database, or GAZELLE_SYNC_HOME to a new folder."
        )
    )
