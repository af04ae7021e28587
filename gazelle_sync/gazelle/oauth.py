"""The request that turns a refresh token into the next tokens.

Gazelle's refresh tokens rotate: each works once, and the answer contains the next one. Where the answer is kept, and
how two processes do not spend one token twice, is the affair of `token_file` and `token_table`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from gazelle_sync.errors import ApiUnreachable, CredentialsRefused
from gazelle_sync.i18n import gettext

TOKEN_PATH = "/developer/oauth/token"  # noqa: S105 - a path, not a secret
Token = Mapping[str, Any]
"""The OAuth answer: `access_token`, `refresh_token`, `expires_in` (seconds), `created_at` (epoch seconds)."""


@dataclass(frozen=True)
class OAuthClient:
    """The application that a person authorized.

    Attributes:
        url: The API's base URL.
        id: None: the access token is used as it is and cannot be refreshed.
        secret: Its secret.
    """

    url: str
    id: str | None
    secret: str | None = field(repr=False)

    def can_refresh(self, token: Token) -> bool:
        """Whether there is all that a refresh takes."""
        return bool(self.id and self.secret and token.get("refresh_token"))


def refreshed(client: OAuthClient, token: Token, place: object) -> dict[str, Any]:
    """Spend a refresh token; gives the next tokens.

    Args:
        client: Who asks.
        token: What holds the refresh token, which is spent when this returns.
        place: Where a person saves the answer to a new authorization, for the message.

    Raises:
        CredentialsRefused: Gazelle refuses the refresh token; a person must authorize again.
        ApiUnreachable: Gazelle could not be asked.
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": client.id,
        "client_secret": client.secret,
        "refresh_token": token["refresh_token"],
    }
    try:
        answer = httpx.post(client.url + TOKEN_PATH, data=form, timeout=30)
    except httpx.HTTPError as error:
        raise _not_refreshed(error) from error
    try:
        found = answer.json()
    except ValueError:
        found = {}
    if answer.status_code >= 500 or answer.status_code == 429:
        raise _not_refreshed(f"HTTP {answer.status_code}")
    if answer.status_code != 200 or not isinstance(found, dict) or not found.get("access_token"):
        raise CredentialsRefused(
            TOKEN_PATH,
            gettext(
                "Gazelle refuses the refresh token (HTTP {status}): it lives about 30 days and was perhaps used "
                "elsewhere. Authorize the application again and save the answer as {path}.",
                status=answer.status_code,
                path=place,
            ),
        )
    return {"created_at": int(time.time()), "refresh_token": token["refresh_token"], **found}


def bearer(token: Token) -> dict[str, str]:
    """The header that authorizes a request."""
    return {"Authorization": f"Bearer {token['access_token']}"}


def _not_refreshed(reason: object) -> ApiUnreachable:
    return ApiUnreachable(TOKEN_PATH, gettext("the token could not be refreshed: {reason}", reason=reason))
