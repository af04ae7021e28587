"""Authentication and rate limit: API key, rotating OAuth tokens, requests a second."""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from collections.abc import Mapping

from gazelle_sync.sandbox import (
    SANDBOX_ACCESS_TOKEN,
    SANDBOX_API_KEY,
    SANDBOX_CLIENT_ID,
    SANDBOX_CLIENT_SECRET,
    SANDBOX_REFRESH_TOKEN,
)
from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store


class Access:
    """The credentials of one account. Tokens survive a restart, as a client's token file does."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        if store.meta("tokens") is None:
            self.reset()
        self._tokens: Record = store.meta("tokens")

    def reset(self) -> None:
        """Go back to the fixed first tokens."""
        self._keep(SANDBOX_ACCESS_TOKEN, SANDBOX_REFRESH_TOKEN)

    def tokens(self) -> Record:
        """The answer of the token endpoint, as it stands."""
        return {
            "access_token": self._tokens["access_token"],
            "refresh_token": self._tokens["refresh_token"],
            "token_type": "Bearer",
            "expires_in": max(0, round(self._tokens["expires_at"] - time.time())),
            "created_at": round(self._tokens["created_at"]),
        }

    def expire(self) -> None:
        """Make the access token expire now."""
        self._tokens["expires_at"] = 0.0
        self._store.set_meta("tokens", self._tokens)

    def is_authorized(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the key or an access token that has not expired."""
        key = headers.get("x-gazelle-api-key")
        if key is not None:
            return secrets.compare_digest(key.encode(), SANDBOX_API_KEY.encode())
        scheme, _, token = headers.get("authorization", "").partition(" ")
        valid = time.time() < self._tokens["expires_at"]
        known = secrets.compare_digest(token.encode(), self._tokens["access_token"].encode())
        return scheme.lower() == "bearer" and known and valid

    def refresh(self, form: Mapping[str, str]) -> tuple[int, Record]:
        """Answer the token endpoint: status and body. Both tokens change; the old ones no longer work."""
        if form.get("grant_type") != "refresh_token":
            return 400, {"error": "unsupported_grant_type", "error_description": "The grant type is not supported."}
        if (form.get("client_id"), form.get("client_secret")) != (SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET):
            return 401, {"error": "invalid_client", "error_description": "Client authentication failed."}
        if form.get("refresh_token") != self._tokens["refresh_token"]:
            return 401, {"error": "invalid_grant", "error_description": "The refresh token is invalid or revoked."}
        self._keep(f"sandbox-access-{secrets.token_hex(24)}", f"sandbox-refresh-{secrets.token_hex(24)}")
        return 200, self.tokens()

    def _keep(self, access_token: str, refresh_token: str) -> None:
        now = time.time()
        self._tokens = {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "created_at": now,
            "expires_at": now + self._settings.token_ttl_s,
        }
        self._store.set_meta("tokens", self._tokens)


class RateLimit:
    """At most so many requests in any second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recent: deque[float] = deque()

    def retry_after(self) -> int | None:
        """None if the request may pass, else the whole seconds to wait."""
        limit = self._settings.rate_per_s
        if limit <= 0:
            return None
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= limit:
            return max(1, math.ceil(self._recent[0] + 1 - now))
        self._recent.append(now)
        return None
