"""A fleet in a folder of its own, and what can be wrong with a shop of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gazelle_sync.sandbox import SANDBOX_API_KEY
from gazelle_sync_tests.support.sandbox import RunningSandbox

DISK_IS_FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON sync_logs FOR EACH STATEMENT EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room BEFORE INSERT ON alert_log FOR EACH STATEMENT EXECUTE FUNCTION no_room();
"""


@dataclass(frozen=True)
class Fleet:
    """Where a fleet lives.

    Attributes:
        folder: `GAZELLE_FLEET_DIR`.
        home: `GAZELLE_SYNC_HOME`.
        sandbox: The account that all shops follow, each into a database of its own.
    """

    folder: Path
    home: Path
    sandbox: RunningSandbox

    @classmethod
    def under(cls, directory: Path, sandbox: RunningSandbox) -> Fleet:
        """An empty one."""
        fleet = cls(directory / "shops.d", directory / "fleet", sandbox)
        fleet.folder.mkdir()
        return fleet

    @property
    def environment(self) -> dict[str, str]:
        """The fleet's own variables."""
        return {
            "GAZELLE_FLEET_DIR": str(self.folder), "GAZELLE_SYNC_HOME": str(self.home),
            "GAZELLE_API_URL": "", "GAZELLE_API_TOKEN": "", "GAZELLE_DATABASE_URL": "",
        }  # fmt: skip

    def add(self, shop: str, database_url: str, **variables: str) -> Path:
        """Put a shop into the folder."""
        said = {
            "GAZELLE_API_URL": self.sandbox.url, "GAZELLE_API_TOKEN": SANDBOX_API_KEY,
            "GAZELLE_DATABASE_URL": database_url, "GAZELLE_RATE_PER_S": "0", "GAZELLE_TIMEOUT_S": "10",
            **variables,
        }  # fmt: skip
        path = self.folder / f"{shop}.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}='{value}'\n" for name, value in said.items()), encoding="utf-8")
        return path


@contextmanager
def silent_server() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
