"""The OAuth token in a file.

One process at a time refreshes (an exclusive lock on a file beside the token file), others read the file it wrote, and
disk space for the answer is reserved *before* the old token is used.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gazelle_sync.errors import CredentialsUnusable
from gazelle_sync.gazelle.oauth import OAuthClient, bearer, refreshed
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime.logs import get_logger

_ROOM_FOR_ANSWER = b" " * 8192
_NOT_OURS_TO_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)

log = get_logger("gazelle_sync.gazelle")


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
        self._client = OAuthClient(url, client_id, client_secret)
        self._lock = threading.Lock()
        self._token = self._read()

    def headers(self) -> dict[str, str]:
        """The bearer header of the newest access token."""
        return bearer(self._token)

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
            if not self._client.can_refresh(self._token):
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
            token = refreshed(self._client, self._token, self._path)
            try:
                self._write_within(token)
            except OSError:  # the space was reserved, so the disk itself fails
                log.exception("the new token could not be saved: authorize the application again", file=str(self._path))
            return token
        try:
            token = refreshed(self._client, self._token, self._path)
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

    def _read(self) -> dict[str, Any]:
        """The newest token, from the token file or from the file beside it."""
        return read_token(self._path)

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


def read_token(path: Path) -> dict[str, Any]:
    """The newest token, from a token file or from the file beside it.

    Raises:
        CredentialsUnusable: It is not there, or cannot be read.
    """
    try:
        token = json.loads(token_file_in_use(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CredentialsUnusable(
            gettext(
                "The token file {path} is not there. Save the OAuth answer as JSON in it, or set "
                "GAZELLE_TOKEN_FILE, or set GAZELLE_API_TOKEN to an API key.",
                path=path,
            )
        ) from None
    except (OSError, ValueError) as error:
        raise CredentialsUnusable(
            gettext(
                "The token file {path} cannot be read as JSON ({error}). Save the OAuth answer in it again.",
                path=path,
                error=error,
            )
        ) from error
    if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
        raise CredentialsUnusable(
            gettext("The token file {path} holds no access_token. Save the OAuth answer in it again.", path=path)
        )
    return token


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
