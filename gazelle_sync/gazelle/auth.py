"""Credentials: an API key, an access token, or an OAuth token that refreshes itself, in a file or in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gazelle_sync.errors import CredentialsUnusable, SettingsError
from gazelle_sync.gazelle.oauth import OAuthClient, bearer
from gazelle_sync.gazelle.token_file import TokenFile, token_file_in_use
from gazelle_sync.gazelle.token_table import TokenTable
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import Settings

API_KEY_LENGTH = 50
"""An API key is shorter than this, an access token is longer."""


class Credentials(Protocol):
    """What the client needs from credentials."""

    def headers(self) -> dict[str, str]:
        """The headers that authorize a request."""
        ...

    def refresh(self, refused: Mapping[str, str]) -> bool:
        """Try to get new credentials after a 401.

        Args:
            refused: The headers that were refused.

        Returns:
            Whether `headers()` now returns different ones.
        """
        ...


class FixedToken:
    """`GAZELLE_API_TOKEN`: an API key or an access token, which cannot be refreshed."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self) -> dict[str, str]:
        """An API key has a header of its own; an access token is a bearer token."""
        if len(self._token) < API_KEY_LENGTH:
            return {"x-gazelle-api-key": self._token}
        return bearer({"access_token": self._token})

    def refresh(self, refused: Mapping[str, str]) -> bool:
        """False: it cannot be refreshed."""
        return False


def credentials_from(settings: Settings) -> Credentials:
    """The credentials of the settings; a fixed token has priority over an OAuth token.

    Raises:
        SettingsError: There are none, or the token file cannot be read.
    """
    if settings.api_token:
        return FixedToken(settings.api_token)
    if settings.token_store == "database":  # noqa: S105 - where it is kept
        return token_table(settings)
    if settings.client_id or settings.client_secret or token_file_in_use(settings.token_file).exists():
        if settings.api_url is None:
            raise SettingsError(gettext("GAZELLE_API_URL is not set."))
        return TokenFile(settings.token_file, settings.api_url, settings.client_id, settings.client_secret)
    raise CredentialsUnusable(
        gettext(
            "There are no credentials for Gazelle. Set GAZELLE_API_TOKEN to an API key or an access token, or set "
            "GAZELLE_CLIENT_ID, GAZELLE_CLIENT_SECRET and GAZELLE_TOKEN_FILE for OAuth."
        )
    )


def token_table(settings: Settings) -> TokenTable:
    """The token in the shop's database; nothing is read before the first request.

    Raises:
        SettingsError: A variable is missing that it needs.
    """
    if settings.api_url is None or settings.database_url is None:
        raise SettingsError(gettext("GAZELLE_TOKEN_STORE=database needs GAZELLE_API_URL and GAZELLE_DATABASE_URL."))
    if not settings.token_key:
        raise CredentialsUnusable(
            gettext(
                "GAZELLE_TOKEN_STORE=database needs GAZELLE_TOKEN_KEY, with which the token in the database is "
                "encrypted. `gazelle-sync init --token-store database` makes one; keep a copy where the database's "
                "backups are not."
            )
        )
    client = OAuthClient(settings.api_url, settings.client_id, settings.client_secret)
    return TokenTable(settings.database_url, client, settings.token_key, settings.token_file)
