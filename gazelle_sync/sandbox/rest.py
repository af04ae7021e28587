"""The REST endpoints, next to GraphQL: tags, comments and details of a piano."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.mutations import MUTATIONS, Writer, create_client_log

Answer = tuple[int, Record]


def put_tags(writer: Writer, piano_id: str, body: Record) -> Answer:
    """`PATCH /api/v1/pianos/{id}/tags`: replaces the list."""
    tags = body.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return _invalid("tags", "must be a list of strings")
    return _update(writer, piano_id, {"tags": tags})


def add_comment(writer: Writer, piano_id: str, body: Record) -> Answer:
    """`POST /api/v1/pianos/{id}/comments`: becomes an entry of the timeline."""
    piano = writer.store.get("pianos", piano_id)
    if piano is None:
        return _unknown(piano_id)
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        return _invalid("text", "can't be blank")
    result = create_client_log(writer, piano["clientId"], {"comment": text}, piano_id)
    if result["mutationErrors"]:
        return 422, {"errors": result["mutationErrors"]}
    log = result["clientLog"]
    return 201, {"id": log["id"], "text": text, "created_at": log["createdAt"], "created_by": body.get("created_by")}


def patch_piano(writer: Writer, piano_id: str, body: Record) -> Answer:
    """`PATCH /api/v1/pianos/{id}`: observations are the piano's notes, last_serviced its manual date of service."""
    values: Record = {}
    if "observations" in body:
        if not isinstance(body["observations"], str | None):
            return _invalid("observations", "must be text")
        values["notes"] = body["observations"]
    if "last_serviced" in body:
        try:
            values["manualLastService"] = date.fromisoformat(body["last_serviced"]).isoformat()
        except (TypeError, ValueError):
            return _invalid("last_serviced", "is not a date")
    if not values:
        return _invalid("base", "nothing to change: observations and last_serviced can be given")
    return _update(writer, piano_id, values)


ENDPOINTS: dict[tuple[str, str], Callable[[Writer, str, Record], Answer]] = {
    ("PATCH", "/tags"): put_tags,
    ("POST", "/comments"): add_comment,
    ("PATCH", ""): patch_piano,
}


def _update(writer: Writer, piano_id: str, values: Record) -> Answer:
    if writer.store.get("pianos", piano_id) is None:
        return _unknown(piano_id)
    result = MUTATIONS["updatePiano"](writer, id=piano_id, input=values)
    if result["mutationErrors"]:
        return 422, {"errors": result["mutationErrors"]}
    piano = result["piano"]
    return 200, {
        "id": piano["id"],
        "tags": piano["tags"],
        "observations": piano.get("notes"),
        "last_serviced": piano.get("manualLastService"),
        "updated_at": piano.get("updatedAt"),
    }


def _unknown(piano_id: str) -> Answer:
    return 404, {"error": f"No piano has the id {piano_id!r}"}


def _invalid(field: str, message: str) -> Answer:
    return 422, {"errors": [{"fieldName": field, "messages": [message]}]}
