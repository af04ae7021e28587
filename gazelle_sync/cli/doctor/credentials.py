"""Credentials: which there are, who can read them, until when they are good."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gazelle_sync.cli.doctor.finding import Finding
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.gazelle.auth import API_KEY_LENGTH, credentials_from, token_file_in_use
from gazelle_sync.settings import Settings

REFRESH_TOKEN_LIVES = timedelta(days=30)


def credentials_findings(settings: Settings, *, is_sandbox: bool) -> Iterator[Finding]:
    """Which credentials there are, and whether they are good."""
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
    path = token_file_in_use(settings.token_file)
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


def _say(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def secrets_of(settings: Settings) -> list[str]:
    """Of the environment and of the token file."""
    found = [*settings.secrets]
    try:
        token = json.loads(token_file_in_use(settings.token_file).read_text(encoding="utf-8"))
        found += [str(token[name]) for name in ("access_token", "refresh_token") if token.get(name)]
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return found
