"""Whether all is well, since when, what is wrong and what to do; and the button that synchronizes now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import desk_of, is_fragment, language_of, person_of, render, say_of, then
from gazelle_sync.desk.runs import PUSH, SYNC
from gazelle_sync.entities import entity_name
from gazelle_sync.i18n.translator import Message
from gazelle_sync.monitoring.status import SHAPES, read_situation
from gazelle_sync.monitoring.status_screen import status_sentences
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.names import read_names

STEPS = {
    "sync": Message("Reading from Gazelle"),
    "push": Message("Sending to Gazelle"),
    "invoices": Message("Sending an invoice to Gazelle"),
}
LIGHTS = {
    "green": Message("up to date"),
    "yellow": Message("to be looked at"),
    "red": Message("not working"),
}
STARTED = Message("Synchronizing has begun.")
RUNS_ALREADY = Message("It runs already: this page shows how far it is.")


def state(request: Request) -> Response:
    """The page."""
    settings = desk_of(request).settings
    say = say_of(request)
    now = read_situation(settings)
    entities, edits, incidents, waiting = now.entities, now.edits, now.incidents, now.waiting
    lights = [*(one.light for one in entities), edits.light, incidents.light]
    worst = next((light for light in ("red", "yellow") if light in lights), "green")
    return render(
        request,
        "state",
        light=worst,
        lights=LIGHTS,
        shapes=SHAPES,
        entities=[(entity_name(say, one.entity), one) for one in entities],
        edits=edits,
        waiting=waiting,
        names=read_names(settings, (one.key for one in waiting)),
        lines=_sentences(status_sentences(settings.replace(language=language_of(request)), now)),
        **_run(request, is_pulling=now.is_pulling),
    )


def run(request: Request) -> Response:
    """How far what was started is, which the page asks for again and again until it has ended."""
    if not is_fragment(request):
        return RedirectResponse("/state")
    return render(request, "fragment_run", **_run(request))


def sync(request: Request) -> Response:
    """The button: what changed at Gazelle comes here, what was edited here goes there."""
    return _start(request, "sync", SYNC)


def push(request: Request) -> Response:
    """The button that only sends."""
    return _start(request, "push", PUSH)


def _start(request: Request, action: str, commands: tuple[tuple[str, ...], ...]) -> Response:
    say = say_of(request)
    with change(request, action, goes_to="/state", may_repeat=True):
        is_started = desk_of(request).runs.start(commands, person_of(request).name, language_of(request))
    if is_fragment(request):
        return render(request, "fragment_run", **_run(request))
    return then(request, "/state#run", say(STARTED if is_started else RUNS_ALREADY))


def _run(request: Request, *, is_pulling: bool | None = None) -> dict[str, Any]:
    desk = desk_of(request)
    last = desk.runs.last
    is_elsewhere = (last is None or not last.is_running) and (
        pull_is_running(desk.url) if is_pulling is None else is_pulling
    )
    return {"last": last, "steps": STEPS, "is_elsewhere": is_elsewhere}


def _sentences(lines: Sequence[str]) -> list[tuple[str, str]]:
    """What the status says in words: each with the light of its sign."""
    signs = {"✗": "red", "⚠": "yellow", "✓": "green"}
    found = []
    for line in lines:
        bare = line.strip()
        if bare:
            found.append((signs.get(bare[0], ""), bare.lstrip("✗⚠✓ ")))
    return found
