"""The alerts as people see them, and what people decide: resolve, archive, open again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow

LISTS = ("open", "suggested", "resolved", "archived")
KIND_NAMES = {
    "housse": Message("cover"),
    "alimentation": Message("power"),
    "reservoir": Message("tank"),
    "environnement": Message("climate"),
}
STATUS_NAMES = {
    "open": Message("open"),
    "suggested": Message("to be confirmed"),
    "resolved": Message("resolved"),
    "archived": Message("archived"),
    "withdrawn": Message("withdrawn"),
}


@dataclass(frozen=True)
class Wanted:
    """Which alerts are asked for.

    Attributes:
        kind: Only of this kind.
        client: Only of this client: its id, or a part of its name.
        since: Only observed on this Montreal day or later.
    """

    kind: str | None = None
    client: str | None = None
    since: date | None = None


def read_lists(settings: Settings, wanted: Wanted) -> dict[str, list[dict[str, Any]]]:
    """The lists, newest first: `open`, `suggested`, `resolved`, `archived`."""
    migrate(str(settings.database_url))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS}
    parameters = {"kind": wanted.kind, "client": wanted.client, "since": wanted.since, "id": None}
    with borrow(str(settings.database_url)) as connection, connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(statement("maintenance/lists"), parameters):
            found[row["status"]].append(_as_json(row))
    return found


def read_alert(settings: Settings, alert_id: int) -> dict[str, Any]:
    """One alert, with the notes that speak of it (`said`) and its history (`history`).

    Raises:
        SettingsError: There is none with this id.
    """
    migrate(str(settings.database_url))
    parameters = {"kind": None, "client": None, "since": None, "id": alert_id}
    with borrow(str(settings.database_url)) as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(statement("maintenance/lists"), parameters).fetchone()
        if row is None:
            raise SettingsError(_unknown(alert_id))
        said = cursor.execute(statement("maintenance/said"), {"id": alert_id}).fetchall()
        history = cursor.execute(statement("maintenance/events"), {"id": alert_id}).fetchall()
    return _as_json(row) | {"said": [_as_json(one) for one in said], "history": [_as_json(one) for one in history]}


def decide(settings: Settings, alert_ids: Sequence[int], status: str, who: str | None = None) -> list[dict[str, Any]]:
    """Set the status of alerts: `resolved`, `archived` or `open`. Notes before this moment change it no more.

    Returns:
        The alerts as they are now.

    Raises:
        SettingsError: An alert is not there, or another of its piano and kind is open already; nothing was changed.
    """
    migrate(str(settings.database_url))
    parameters = {"ids": list(alert_ids), "status": status, "who": who}
    with borrow(str(settings.database_url)) as connection, connection.transaction():
        known = {key for (key,) in connection.execute(statement("maintenance/decide"), parameters)}
        for alert_id in alert_ids:
            if alert_id not in known:
                raise SettingsError(_unknown(alert_id))
        if status == "open" and (
            other := connection.execute(statement("maintenance/also_open"), parameters).fetchone()
        ):
            raise SettingsError(
                gettext(
                    "Alert {other} of the same piano and kind is open already: alert {id} was left as it is.",
                    other=other[1],
                    id=other[0],
                )
            )
    return [read_alert(settings, alert_id) for alert_id in alert_ids]


def _unknown(alert_id: int) -> str:
    return gettext("There is no alert {id}. `gazelle-sync alerts list` shows those that there are.", id=alert_id)


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | bool) else float(value)
