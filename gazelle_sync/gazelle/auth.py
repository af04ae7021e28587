"""Credentials: an API key, an access token, or an OAuth token file that refreshes itself.

Gazelle's refresh tokens rotate: each works once, and the answer contains the next one. So one process at a time
refreshes (an exclusive lock on a file beside the token file), others read the file it wrote, and disk space for the
answer is reserved *before* the old token is used.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import httpx

from gazelle_sync.errors import ApiUnreachable, CredentialsRefused, CredentialsUnusable, SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings

TOKEN_PATH = "/developer/oauth/token"  # noqa: S105 - a path, not a secret
API_KEY_LENGTH = 50
"""An API key is shorter than this, an access token is longer."""

_ROOM_FOR_ANSWER = b" " * 8192
_NOT_OURS_TO_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)

log = get_logger("gazelle_sync.gazelle")


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
        return _bearer(self._token)

    def refresh(self, refused: Mapping[str, str]) -> bool:
        """False: it cannot be refreshed."""
        return False


class TokenFile:
    """The OAuth answer as JSON (`access_token`, `refresh_token`, `expires_in`, `created_at` in epoch seconds).

    Args:
        path: The file. It is replaced atomically, with mode 0600. Where that is not possible it is overwritten, and
            where that fails too, the new token stays in a file beside it (`newer_token_file`).
        url: The API's base URL.
        client_id: OAuth client; None: the access token is used as it is and cannot be refreshed.
        client_secret: OAuth client secret.
    """

    def __init__(self, path: Path, url: str, client_id: str | None, client_secret: str | None) -> None:
        self._path = path
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._lock = threading.Lock()
        self._token = self._read()

    def headers(self) -> dict[str, str]:
        """The bearer header of the newest access token."""
        return _bearer(self._token["access_token"])

    def refresh(self, refused: Mapping[str, str]) -> bool:
        """Read the token that another process has written meanwhile, or use the refresh token.

        Raises:
            CredentialsRefused: Gazelle refuses the refresh token; a person must authorize again.
            ApiUnreachable: Gazelle could not be asked.
        """
        with self._lock, self._refresh_lock():
            self._token = self._read()
            if self.headers() != dict(refused):
                return True
            if not (self._client_id and self._client_secret and self._token.get("refresh_token")):
                return False
            self._token = self._use_refresh_token()
            return True

    def _use_refresh_token(self) -> dict[str, Any]:
        """Get a new token with the refresh token, and store it: the old one is invalid from then on.

        Disk space is reserved first: in a file beside the token file or, where the folder is not writable, in the token
        file itself.
        """
        try:
            part = self._reserve_space_beside()
        except OSError as error:
            self._reserve_space_within(error)
            token = self._ask()
            try:
                self._write_within(token)
            except OSError:  # the space was reserved, so the disk itself fails
                log.exception("the new token could not be saved: authorize the application again", file=str(self._path))
            return token
        try:
            token = self._ask()
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._store(token, part)
        return token

    def _store(self, token: Mapping[str, Any], part: Path) -> None:
        """Replace the token file; where that fails, overwrite it, or else leave the new token in a file beside it."""
        newer = newer_token_file(self._path)
        try:
            with part.open("r+b") as file:
                _overwrite(file, token)
            part.replace(newer)  # from here on the next start finds the new token, even after a crash
            newer.replace(self._path)
        except OSError:  # a file that is mounted by itself (into a container) cannot be replaced
            try:
                self._write_within(token)
            except OSError as error:
                log.warning(
                    "token file cannot be rewritten: the new token is in a file beside it, and is read from there",
                    file=str(self._path), kept=str(newer if newer.exists() else part), reason=str(error),
                )  # fmt: skip
            else:
                part.unlink(missing_ok=True)
                newer.unlink(missing_ok=True)

    def _reserve_space_beside(self) -> Path:
        part = self._path.with_name(f".{self._path.name}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_ROOM_FOR_ANSWER)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _reserve_space_within(self, reason: OSError) -> None:
        """Append blanks to the token file, which leaves its JSON valid."""
        if reason.errno not in _NOT_OURS_TO_WRITE:
            raise self._unwritable(reason) from reason
        try:
            with self._path.open("ab") as file:
                file.write(_ROOM_FOR_ANSWER)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _write_within(self, token: Mapping[str, Any]) -> None:
        with self._path.open("r+b") as file:
            _overwrite(file, token)

    def _ask(self) -> dict[str, Any]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "refresh_token": self._token["refresh_token"],
        }
        try:
            answer = httpx.post(self._url + TOKEN_PATH, data=form, timeout=30)
        except httpx.HTTPError as error:
            raise _not_refreshed(error) from error
        try:
            token = answer.json()
        except ValueError:
            token = {}
        if answer.status_code >= 500 or answer.status_code == 429:
            raise _not_refreshed(f"HTTP {answer.status_code}")
        if answer.status_code != 200 or not isinstance(token, dict) or not token.get("access_token"):
            raise CredentialsRefused(
                TOKEN_PATH,
                gettext(
                    "Gazelle refuses the refresh token (HTTP {status}): it lives about 30 days and was perhaps used "
                    "elsewhere. Authorize the application again and save the answer as {path}.",
                    status=answer.status_code,
                    path=self._path,
                ),
            )
        return {"created_at": int(time.time()), "refresh_token": self._token["refresh_token"], **token}

    def _read(self) -> dict[str, Any]:
        """The newest token, from the token file or from the file beside it."""
        path = token_file_in_use(self._path)
        try:
            token = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CredentialsUnusable(
                gettext(
                    "The token file {path} is not there. Save the OAuth answer as JSON in it, or set "
                    "GAZELLE_TOKEN_FILE, or set GAZELLE_API_TOKEN to an API key.",
                    path=self._path,
                )
            ) from None
        except (OSError, ValueError) as error:
            raise CredentialsUnusable(
                gettext(
                    "The token file {path} cannot be read as JSON ({error}). Save the OAuth answer in it again.",
                    path=self._path,
                    error=error,
                )
            ) from error
        if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
            raise CredentialsUnusable(
                gettext(
                    "The token file {path} holds no access_token. Save the OAuth answer in it again.", path=self._path
                )
            )
        return token

    @contextmanager
    def _refresh_lock(self) -> Iterator[None]:
        """Hold the lock that lets only one process refresh at a time."""
        try:
            file = self._path.with_name(f".{self._path.name}.lock").open("a")
        except OSError as error:
            if error.errno not in _NOT_OURS_TO_WRITE:
                raise self._unwritable(error) from error
            # The folder is not writable, so the token file is never replaced and can carry the lock itself.
            file = self._path.open("r")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _unwritable(self, error: OSError) -> CredentialsUnusable:
        return CredentialsUnusable(
            gettext(
                "The token file {path} cannot be rewritten ({reason}). Make room, or give this user the right to write "
                "in {folder}, then run again. The refresh token was not used.",
                path=self._path,
                reason=error.strerror,
                folder=self._path.parent,
            )
        )


def credentials_from(settings: Settings) -> Credentials:
    """The credentials of the settings; a fixed token has priority over a token file.

    Raises:
        SettingsError: There are none, or the token file cannot be read.
    """
    if settings.api_token:
        return FixedToken(settings.api_token)
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


def newer_token_file(path: Path) -> Path:
    """Path of the file that holds a new token when the token file could not be rewritten."""
    return path.with_name(f".{path.name}.new")


def token_file_in_use(path: Path) -> Path:
    """The token file, or the file beside it if that one was written later."""
    newer = newer_token_file(path)
    try:
        kept = newer.stat().st_mtime_ns
    except OSError:
        return path
    try:
        return path if path.stat().st_mtime_ns > kept else newer
    except OSError:
        return newer


def _overwrite(file: IO[bytes], token: Mapping[str, Any]) -> None:
    """Overwrite the file in one write, padded with blanks, so that a crash never leaves two tokens mixed."""
    text = json.dumps(token, indent=2).encode()
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    file.write(text.ljust(size))
    file.flush()
    file.truncate(len(text))
    os.fsync(file.fileno())


def _not_refreshed(reason: object) -> ApiUnreachable:
    return ApiUnreachable(TOKEN_PATH, gettext("the token could not be refreshed: {reason}", reason=reason))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
