"""What both sides had changed, side by side: a person says which counts."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.edits import FIELDS
from gazelle_sync.desk.errors import Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import desk_of, form_of, language_of, number_in, render, then
from gazelle_sync.errors import DatabaseError, GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.push.conflicts import open_conflicts, resolve
from gazelle_sync.push.render import render_resolved
from gazelle_sync.warehouse.names import read_names

SIDES = ("ours", "theirs")


def conflicts(request: Request) -> Response:
    """The page."""
    settings = desk_of(request).settings
    found = open_conflicts(settings)
    return render(
        request,
        "conflicts",
        conflicts=found,
        names=read_names(settings, (one.external_id for one in found)),
        labels={name: field.label for name, field in FIELDS.items()},
    )


def take(request: Request) -> Response:
    """A side was taken."""
    number, side = number_in(request.path_params["id"]), form_of(request).get("take", "")
    if side not in SIDES:
        raise Refused(gettext("This form is incomplete: open the page again."))
    settings = desk_of(request).settings
    with change(request, "resolve_conflict", str(number), goes_to="/conflicts", may_repeat=True, take=side) as more:
        try:
            conflict, edited = resolve(settings, number, side)
        except DatabaseError:
            raise
        except GazelleSyncError as error:
            raise Refused(str(error)) from error
        more |= {"record": conflict.external_id, "field": conflict.field}
    return then(request, "/conflicts", render_resolved(language_of(request), conflict, side, edited=edited))
