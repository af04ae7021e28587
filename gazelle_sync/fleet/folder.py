"""The shops of a fleet: `shops.d/<shop>.env`, or `shops.d/<shop>/` with one file a variable, as secrets are mounted.

A file that makes no sense is named and left out; the other shops run.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import PREFIX, Settings

ENDING = ".env"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
MOST_BYTES = 65_536
HERE = ("127.0.0.1", "::1", "localhost.localdomain")
"""Other names of `localhost`."""
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Of a shop: it is part of paths, of partitions and of titles of messages."""
OF_THE_FLEET = ("GAZELLE_DAGSTER_", "GAZELLE_SYNC_HOME", "GAZELLE_SHOP", "GAZELLE_FLEET_")
"""Variables, by their beginning, that a shop's file must not set."""
NEEDED = ("GAZELLE_API_URL", "GAZELLE_DATABASE_URL")
TOKEN_FILE = "GAZELLE_TOKEN_FILE"  # noqa: S105 - the name of a variable


@dataclass(frozen=True)
class Folder:
    """What the folder holds.

    Attributes:
        shops: Shop → its file or folder, of those that make sense.
        changed_at: Shop → when that changed last, aware UTC.
        problems: Name → what is wrong with it. A shop's name where the file has one, else the file's.
    """

    shops: Mapping[str, Path] = field(default_factory=dict)
    changed_at: Mapping[str, datetime] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


_Fingerprint = tuple[tuple[str, int, int, int], ...]
_known: dict[Path, tuple[_Fingerprint, str | None, str]] = {}
"""File → its fingerprint, what is wrong with it, and which database it names: read again only when it changes."""


def read_folder(folder: Path) -> Folder:
    """Which shops there are.

    Args:
        folder: `GAZELLE_FLEET_DIR`.

    Raises:
        SettingsError: The folder cannot be read. A failed reading is not an empty folder.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise SettingsError(
            gettext(
                "The folder of the shops, {folder}, cannot be read ({reason}). Make it, or set GAZELLE_FLEET_DIR.",
                folder=folder,
                reason=error.strerror,
            )
        ) from None
    shops: dict[str, Path] = {}
    changed_at: dict[str, datetime] = {}
    problems: dict[str, str] = {}
    databases: dict[str, str] = {}
    for path in paths:
        name = _name_of(path)
        if name is None:
            problems[path.name] = gettext(
                "it is no shop's: a file is called NAME.env, with small letters, figures, - and _ in NAME."
            )
            continue
        changed, problem, database = _examine(path)
        if problem is None and name in shops:
            problem = gettext("there is a file and a folder of this name.")
        if problem is None and database in databases:
            problem = gettext("it names the database of {shop}: each shop has its own.", shop=databases[database])
        if problem is not None:
            problems[name] = problem
            continue
        databases[database] = name
        shops[name], changed_at[name] = path, changed
    return Folder(shops, changed_at, problems)


def paths_of(folder: Path, shops: Iterable[str]) -> dict[str, Path]:
    """Shop → its file or folder, of those that are there.

    Nothing is read: a run of 25 shops must not read the files of a thousand. What is wrong with one, its child says.

    Args:
        folder: `GAZELLE_FLEET_DIR`.
        shops: Names, as `read_folder` gave them.
    """
    found = {shop: (folder / f"{shop}{ENDING}", folder / shop) for shop in shops}
    return {shop: path for shop, paths in found.items() for path in paths if path.exists()}


def _name_of(path: Path) -> str | None:
    name = path.name if path.is_dir() else path.name.removesuffix(ENDING)
    is_named = path.is_dir() or path.name.endswith(ENDING)
    return name if is_named and NAME.fullmatch(name) else None


def _examine(path: Path) -> tuple[datetime, str | None, str]:
    """When a file changed, what is wrong with it, and which database it names."""
    try:
        seen = tuple(_stamp(one) for one in (path, *_inside(path)))
    except OSError as error:
        return datetime.now(UTC), str(error.strerror), ""
    known = _known.get(path)
    if known is None or known[0] != seen:
        known = _known[path] = (seen, *_problem(path))
    return datetime.fromtimestamp(max(one[1] for one in seen) / 1e9, UTC), known[1], known[2]


def _stamp(path: Path) -> tuple[str, int, int, int]:
    found = path.stat()
    return path.name, max(found.st_mtime_ns, found.st_ctime_ns), found.st_size, found.st_mode


def _inside(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(one for one in path.iterdir() if one.name.startswith(PREFIX))


def _problem(path: Path) -> tuple[str | None, str]:
    try:
        settings = settings_of(path, Path("/"))
    except SettingsError as error:
        return str(error), ""
    return None, _database(str(settings.database_url))


def _database(url: str) -> str:
    """Host, port and name: what makes two addresses one database."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    host, port, name = (str(parts.get(part) or "").lower() for part in ("host", "port", "dbname"))
    return "|".join(["localhost" if host in HERE else host, port or "5432", name])


def settings_of(path: Path, homes: Path, ui_url: str | None = None) -> Settings:
    """The settings of one shop.

    Args:
        path: Its file or folder.
        homes: Under which each shop has a home.
        ui_url: Of the fleet's Dagster UI, where the shop does not name another.

    Raises:
        SettingsError: It cannot be read, others may read it, or a variable is missing or makes no sense.
    """
    return Settings.load(environment_of(path, homes, ui_url))


def environment_of(path: Path, homes: Path, ui_url: str | None = None) -> dict[str, str]:
    """The same as variables: those of the file, and what the fleet sets.

    Raises:
        SettingsError: As `settings_of`.
    """
    variables = _variables(path)
    known = set(Settings.variables().values())
    for name in variables:
        if name.startswith(OF_THE_FLEET):
            raise SettingsError(gettext("{name} belongs to the fleet's environment, not to a shop's.", name=name))
        if name not in known:
            raise SettingsError(gettext("{name} is not known. Is it mistyped?", name=name))
    if missing := [name for name in NEEDED if not variables.get(name)]:
        raise SettingsError(gettext("{names} is missing.", names=", ".join(missing)))
    shop = path.name if path.is_dir() else path.name.removesuffix(ENDING)
    home = homes / shop
    token_file = variables.get(TOKEN_FILE)
    return {
        **({"GAZELLE_UI_URL": ui_url} if ui_url else {}),
        **variables,
        TOKEN_FILE: str(path.parent / token_file if token_file else home / "token.json"),
        "GAZELLE_SYNC_HOME": str(home),
        "GAZELLE_SHOP": shop,
    }


def _variables(path: Path) -> dict[str, str]:
    try:
        if path.is_dir():
            return {one.name: _text(one).strip() for one in _inside(path)}
        if path.stat().st_mode & OTHERS:
            raise SettingsError(gettext("others may read it. Say: chmod 600 {file}", file=path.name))
        text = _text(path)
    except UnicodeDecodeError:
        raise SettingsError(gettext("it is not UTF-8.")) from None  # without the line: it may hold a secret
    except OSError as error:
        raise SettingsError(gettext("it cannot be read ({reason}).", reason=error.strerror)) from None
    from dotenv import parser

    said = list(parser.parse_stream(StringIO(text)))
    if wrong := next((one for one in said if one.error), None):
        raise SettingsError(gettext("line {number} cannot be read.", number=wrong.original.line))
    return {one.key: one.value for one in said if one.key and one.value}


def _text(path: Path) -> str:
    """What a file holds. Only regular files are read: a pipe or a device would block, and with it every shop.

    Raises:
        SettingsError: It is no file of a shop.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        raise SettingsError(gettext("{file} is no file of a few lines.", file=path.name))
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Change:
    """What has to be done so that the partitions are the folder's shops.

    Attributes:
        added: Shops that are new.
        removed: Shops whose file is gone. One whose file makes no sense keeps its partition: it is not gone.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def compare(folder: Folder, partitions: Iterable[str]) -> Change:
    """What has changed in the folder.

    Args:
        folder: As it is.
        partitions: The shops that were known.
    """
    known = set(partitions)
    return Change(
        added=tuple(sorted(folder.shops.keys() - known)),
        removed=tuple(sorted(known - folder.shops.keys() - folder.problems.keys())),
    )


def is_there(path: Path) -> bool:
    """Whether a shop's file is still in the folder: removing it stops the shop."""
    return os.path.lexists(path)
