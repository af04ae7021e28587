"""Which account a database belongs to: a real one must not be mixed with the sandbox's invented one."""

from __future__ import annotations

from urllib.parse import urlsplit

from gazelle_sync.errors import SettingsError
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.settings_table import read_setting

SOURCE_SETTING, ACCOUNT, SANDBOX = "source", "account", "sandbox"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def source_of(api_url: str) -> str:
    """`sandbox` or `account`; a Gazelle on this machine is a sandbox, ours or somebody's."""
    return SANDBOX if urlsplit(api_url).hostname in LOOPBACK else ACCOUNT


def refuse_mixing(connection: Connection, api_url: str) -> None:
    """Refuse an account that the database does not belong to.

    Raises:
        SettingsError: A variable got lost, or names another account's database.
    """
    before = read_setting(connection, SOURCE_SETTING)
    if before in (None, source_of(api_url)):
        return
    raise SettingsError(
        "This database holds a real account, and GAZELLE_API_URL is not set or names a sandbox, whose invented "
        "clients would be mixed in. Nothing was done. Set GAZELLE_API_URL, or another GAZELLE_DATABASE_URL."
        if before == ACCOUNT
        else "This database holds the sandbox's invented account: a real one would be mixed in. Nothing was "
        "done. Set GAZELLE_DATABASE_URL to an empty database, or GAZELLE_SYNC_HOME to a new folder."
    )
