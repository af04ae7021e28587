"""`gazelle-sync calendar` as a person in the shop calls it, while visits are planned and changed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import structlog

from gazelle_sync.montreal import MONTREAL
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.shop import Shop

OPTIONS = {"duration_minutes": "--duration", "title": "--title", "notes": "--notes"}
"""Column → the option that says it."""


class CalendarCommands:
    """Drafts as the commands store them.

    Args:
        shop: Whose database it is, near or far.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def new(self, client: str, technicians: list[str], piano: str, values: dict[str, Any]) -> list[int]:
        """`new`; gives the ids of the drafts, one for each technician."""
        first, *others = technicians
        joint = [word for other in others for word in ("--with", other)]
        whose = ("--client", client, "--technician", first, *joint, "--piano", piano)
        return self._run("new", *whose, *_said(values))

    def change(self, visit: str, action: str, values: dict[str, Any], *, future: bool = False) -> list[int]:
        """`move`, `cancel`, `confirm` or `complete`; gives the ids of the drafts that hold it.

        Args:
            visit: The id of an event, or the number of a draft.
            action: Which.
            values: What is said of it.
            future: Of a recurring visit, all that follow as well.
        """
        return self._run(action, visit, *_said(values), *(["--future"] if future else []))

    def _run(self, *arguments: str) -> list[int]:
        before = structlog.get_config()
        try:
            ended = run_command(self._shop, "calendar", *arguments, "--json")
        finally:
            structlog.configure(**before)  # a command sets up the log of a process of its own
        if ended.returncode != 0:
            raise AssertionError(f"calendar {' '.join(arguments)}: {ended.text}")
        stored = json.loads(ended.stdout)
        return [stored["id"], *stored.get("joint_ids", ())]


def _said(values: dict[str, Any]) -> list[str]:
    words = []
    for column, value in values.items():
        if isinstance(value, datetime):
            words += ["--start", f"{value.astimezone(MONTREAL):%Y-%m-%d %H:%M}"]
        else:
            words += [OPTIONS[column], str(value)]
    return words
