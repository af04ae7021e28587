"""What all requests to one desk share, and how it is reached."""

from __future__ import annotations

import os
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from gazelle_sync.desk.runs import Runs
from gazelle_sync.errors import GazelleSyncError, SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime import DESK_PORT
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.source import LOOPBACK, is_sandbox

LOOPBACK_HOST = "127.0.0.1"


@dataclass
class Desk:
    """A desk that answers.

    Attributes:
        settings: Of `embedded.embedded_services`; the database is up to date.
        port: That it listens on.
        runs: What was started from it.
    """

    settings: Settings
    port: int = DESK_PORT
    runs: Runs = field(default_factory=Runs)
    _under_way: set[uuid.UUID] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The shop's database."""
        return str(self.settings.database_url)

    @property
    def public_url(self) -> str:
        """Where people reach it, without a trailing slash."""
        return self.settings.desk_url or f"http://{LOOPBACK_HOST}:{self.port}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether people reach it from another machine."""
        return urlsplit(self.public_url).hostname not in LOOPBACK

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The host names that a request may use. Another one is a foreign page whose name was made to point here."""
        return frozenset({*LOOPBACK, str(urlsplit(self.public_url).hostname)})

    @cached_property
    def is_sandbox(self) -> bool:
        """Whether it shows invented data."""
        return is_sandbox(self.settings, api=False)

    @contextmanager
    def handling(self, form: uuid.UUID) -> Iterator[bool]:
        """A block that does what a form asks for; gives whether no other block is about the same form.

        Args:
            form: Its key.
        """
        with self._lock:
            is_alone = form not in self._under_way
            self._under_way.add(form)
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._lock:
                    self._under_way.discard(form)

    def is_own_origin(self, origin: str, host: str) -> bool:
        """Whether a request was made by one of our own pages.

        Args:
            origin: As the browser says it.
            host: As it asked for.
        """
        parts = urlsplit(self.public_url)
        return origin in (f"http://{host}", f"{parts.scheme}://{parts.netloc}")


def assert_safe(settings: Settings, host: str) -> None:
    """Refuse to be reached from elsewhere without a login.

    Args:
        settings: From the environment.
        host: The address to listen on.

    Raises:
        SettingsError: Nobody would be asked who they are, or nobody could say it.
    """
    is_elsewhere = Desk(settings).is_elsewhere or host not in LOOPBACK
    if is_elsewhere and settings.desk_login == "none":
        raise SettingsError(
            gettext(
                "From another machine the desk is reached only behind a login: set GAZELLE_DESK_LOGIN to `password`, "
                "or to `proxy` where a proxy says who somebody is. Nothing was started."
            )
        )
    if settings.desk_login == "proxy" and not settings.desk_proxy_header:
        raise SettingsError(
            gettext(
                "GAZELLE_DESK_LOGIN=proxy needs GAZELLE_DESK_PROXY_HEADER: the header in which the proxy says who "
                "somebody is. The proxy must remove that header from what comes from outside."
            )
        )


def signing_key(settings: Settings) -> str:
    """What sessions are signed with: the setting, or a key that is made once and kept in the home.

    Raises:
        GazelleSyncError: The home cannot be written.
    """
    if settings.desk_secret:
        return settings.desk_secret
    path = settings.home / "desk.key"
    with suppress(OSError):
        if found := path.read_text(encoding="ascii").strip():
            return found
    try:
        return _made(path)
    except OSError as error:
        raise GazelleSyncError(
            gettext("{path} cannot be written ({reason}).", path=path, reason=error.strerror)
        ) from error


def _made(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(48)
    part = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key + "\n")
    with suppress(FileExistsError):
        os.link(part, path)  # of two that make one at once, the first counts
    part.unlink()
    return path.read_text(encoding="ascii").strip()
