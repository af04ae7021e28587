"""Serves the desk: by itself, or beside the Dagster UI."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from gazelle_sync.desk.desk import LOOPBACK_HOST, Desk, assert_safe
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.runtime import DESK_PORT
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.migrate import schema_remembered
from gazelle_sync.warehouse.pool import keep_connections

END_S = 5.0
IDLE_S = 240.0
"""So long a connection is kept for the next page. Less than what poolers and networks leave a quiet one."""


@contextmanager
def running_desk(
    settings: Settings, port: int = DESK_PORT, host: str = LOOPBACK_HOST
) -> Iterator[tuple[Desk, threading.Thread]]:
    """A desk that answers, on a thread, for the length of a block; gives both.

    Args:
        settings: Of `embedded.embedded_services`; the database is up to date.
        port: 0 takes any that is free.
        host: The address to listen on.

    Raises:
        SettingsError: It would be reached from elsewhere, and nobody asked who they are.
        GazelleSyncError: The address cannot be used.
    """
    import uvicorn

    from gazelle_sync.desk.app import build_app

    assert_safe(settings, host)
    with closing(_listen(host, port)) as listening, schema_remembered(), keep_connections(IDLE_S):
        desk = Desk(settings, listening.getsockname()[1])
        config = uvicorn.Config(
            build_app(desk),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=settings.desk_login != "none",
            forwarded_allow_ips=[] if settings.desk_login == "proxy" else list(settings.desk_proxies),
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), name="desk", daemon=True)
        thread.start()
        try:
            yield desk, thread
        finally:
            desk.runs.close()
            server.should_exit = True
            thread.join(END_S)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(256)
    except (OSError, OverflowError) as error:
        listening.close()
        raise GazelleSyncError(
            gettext("{address} cannot be used ({reason}). Choose another port.", address=f"{host}:{port}", reason=error)
        ) from error
    return listening
