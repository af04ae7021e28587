"""The REST endpoints: tags, comments and details of a piano."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote

from gazelle_sync.errors import AnswerUnreadable
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Action, JsonValue, Remote
from gazelle_sync.push.transports.protocol import Sent
from gazelle_sync.push.transports.reading import GazelleRecords


class RestTransport(GazelleRecords):
    """See `Transport`. A comment carries no date over REST: the day of a service travels in `last_serviced`."""

    name = "rest"

    def send(self, action: Action, remote: Remote) -> Sent:
        """See `Transport`."""
        path = f"/api/v1/pianos/{quote(remote.id, safe='')}"
        given = action.payload
        if action.name == "update_tags":
            return self._patched(remote, f"{path}/tags", {"tags": given["tags"]}, tags=tuple(given["tags"]))
        if action.name == "update_piano":
            payload = {"observations": given["observations"]}
            return self._patched(remote, path, payload, notes=given["observations"] or None)
        if action.name == "set_serviced":
            day = given["last_serviced"]
            return self._patched(remote, path, {"last_serviced": day}, last_serviced=date.fromisoformat(day))
        if action.name == "add_measurement":
            return self.add_measurement(action, remote)
        return self._comment(f"{path}/comments", given)

    def _patched(self, remote: Remote, path: str, payload: Mapping[str, JsonValue], **sent: Any) -> Sent:
        answer = self.client.write_rest(f"PATCH {path}", "PATCH", path, payload)
        said: dict[str, Any] = {}
        if isinstance(tags := answer.get("tags"), list) and all(isinstance(tag, str) for tag in tags):
            said["tags"] = tuple(tags)
        if "observations" in answer and isinstance(answer["observations"], str | None):
            said["notes"] = answer["observations"]
        if stamp := parse_instant(answer.get("updated_at")):
            said["updated_at"] = stamp
        if "tags" in sent and said.get("tags", sent["tags"]) != sent["tags"]:
            raise AnswerUnreadable(f"PATCH {path}", gettext("Gazelle answered with other tags than were sent"))
        after = replace(remote, **{**sent, **said})
        return Sent({"piano": after.as_before()}, after=after)

    def _comment(self, path: str, given: Mapping[str, JsonValue]) -> Sent:
        payload = {"text": given["text"]}
        if given.get("created_by"):
            payload["created_by"] = given["created_by"]
        answer = self.client.write_rest(f"POST {path}", "POST", path, payload)
        created = answer.get("id")
        return Sent(
            {"comment": {"id": created, "created_at": answer.get("created_at")}},
            created_id=str(created) if created else None,
        )
