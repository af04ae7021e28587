"""The OAuth token in the shop's database, encrypted: for pods and hosts that keep no file.

One row of `sync_tokens` an API. Whoever refreshes holds that row's lock until the new token is committed, so that no
two processes, on whatever machines, spend one refresh token. The row is written before Gazelle is asked: a database
that takes no changes spends none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gazelle_sync.errors import CredentialsUnusable, DatabaseError
from gazelle_sync.gazelle.oauth import OAuthClient, Token, bearer, refreshed
from gazelle_sync.gazelle.token_file import read_token
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import borrow

SAVED_AGAIN = 3
"""How often a token that Gazelle has given is written again where the connection was lost."""

log = get_logger("gazelle_sync.gazelle")


class TokenTable:
    """The token of one API.

    Args:
        url: The shop's database.
        client: The OAuth client.
        keys: Fernet keys: the first encrypts, any decrypts.
        path: The token file: where a person saves the answer to an authorization. It is read only, and moved into the
            table where it is newer than what is there.
    """

    def __init__(self, url: str, client: OAuthClient, keys: Sequence[str], path: Path) -> None:
        self._url = url
        self._client = client
        self._keys = tuple(keys)
        self._path = path
        self._lock = threading.Lock()
        self._token: Token | None = None

    def headers(self) -> dict[str, str]:
        """The bearer header of the newest access token that this process knows.

        Raises:
            CredentialsUnusable: There is no token, or the key does not fit it.
        """
        with self._lock:
            if self._token is None:
                self._token = self.read()
            return bearer(self._token)

    def read(self) -> Token:
        """The newest token, from the table or from a newer file, which is moved into the table.

        Raises:
            CredentialsUnusable: There is none, or the key does not fit it.
            DatabaseError: The database cannot be reached.
        """
        with borrow(self._url) as connection:
            [(is_there,)] = connection.execute("SELECT to_regclass('public.sync_tokens') IS NOT NULL").fetchall()
            query = statement("gazelle/token_read")
            row = connection.execute(query, [self._client.url]).fetchone() if is_there else None
            return self._newest(connection, row, may_write=is_there)  # a migration is to come where it is not there

    def refresh(self, refused: Mapping[str, str]) -> bool:
        """Take the token that another process has written meanwhile, or spend the refresh token.

        Raises:
            CredentialsRefused: Gazelle refuses the refresh token; a person must authorize again.
            ApiUnreachable: Gazelle could not be asked.
            DatabaseError: The database cannot be reached or takes no changes; the refresh token was not spent.
        """
        with self._lock:
            given: Token | None = None
            try:
                with borrow(self._url) as connection, connection.transaction():
                    row = connection.execute(statement("gazelle/token_lock"), [self._client.url]).fetchone()
                    self._token = token = self._newest(connection, row)
                    if bearer(token) != dict(refused):
                        return True
                    if not self._client.can_refresh(token):
                        return False
                    self._token = given = refreshed(self._client, token, self._path)
                    self._write(connection, given)
            except DatabaseError:
                if given is None:
                    raise
                self._save_again(given)
            return True

    def _newest(self, connection: Connection, row: Any, *, may_write: bool = True) -> Token:
        """What the table holds or, where it is newer, what a person saved in the file, which then goes into the table.

        Args:
            connection: To the shop's database.
            row: `sealed` and `created_at`, or None.
            may_write: Whether the table is there.
        """
        saved = self._saved()
        if saved is not None and (row is None or row[1] < _created(saved)):
            if may_write:
                self._write(connection, saved)
            return saved
        if row is None:
            raise CredentialsUnusable(
                gettext(
                    "The database holds no token for {url}. Authorize the application and save the answer as {path}: "
                    "the next run moves it into the database.",
                    url=self._client.url,
                    path=self._path,
                )
            )
        return self._opened(connection, row[0])

    def _save_again(self, token: Token) -> None:
        """The connection was lost after Gazelle had given a token: what is in the table is spent."""
        for _ in range(SAVED_AGAIN):
            with suppress(DatabaseError), borrow(self._url) as connection:
                self._write(connection, token)
                return
        log.error("the new token could not be saved: authorize the application again, once this process has ended")

    def _write(self, connection: Connection, token: Token) -> None:
        text = json.dumps(dict(token)).encode()
        sealed = self._fernet().encrypt(text).decode()
        given = {"url": self._client.url, "sealed": sealed, "created_at": _created(token)}
        connection.execute(statement("gazelle/token_write"), given)

    def _opened(self, connection: Connection, sealed: str) -> Token:
        """Decrypt a token. One that an older key encrypted is encrypted again: then that key can go."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            token: dict[str, Any] = json.loads(self._fernet().decrypt(sealed))
        except InvalidToken:
            raise CredentialsUnusable(
                gettext(
                    "The token in the database cannot be decrypted: GAZELLE_TOKEN_KEY is not the key that it was "
                    "encrypted with. Was the key replaced? Then name both, the new one first, with a comma between "
                    "them. If the old one is lost, authorize the application again and save the answer as {path}.",
                    path=self._path,
                )
            ) from None
        try:
            Fernet(self._keys[0]).decrypt(sealed)
        except InvalidToken:
            given = {"url": self._client.url, "before": sealed, "sealed": self._fernet().rotate(sealed).decode()}
            connection.execute(statement("gazelle/token_reseal"), given)
        return token

    def _fernet(self) -> Any:
        from cryptography.fernet import Fernet, MultiFernet

        return MultiFernet([Fernet(key) for key in self._keys])

    def _saved(self) -> Token | None:
        """What a person saved in the token file; None where there is none."""
        if not self._path.exists():
            return None
        token = read_token(self._path)
        token.setdefault("created_at", int(self._path.stat().st_mtime))
        return token


def _created(token: Token) -> datetime:
    try:
        return datetime.fromtimestamp(float(token["created_at"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
