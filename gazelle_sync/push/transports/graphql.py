"""The published API: `updatePiano`, `createClientLog`, `createPianoMeasurement`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from gazelle_sync.errors import AnswerUnreadable, OperationFailed, WriteRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.model import Action, JsonValue, Remote
from gazelle_sync.push.transports.protocol import Sent
from gazelle_sync.push.transports.reading import GazelleRecords, member, remote_of

NO_CLIENT = Message("the piano belongs to no client")
REFUSALS = 2
"""After so many in a row the empty update is left out: once may have been a passing error."""


class GraphqlTransport(GazelleRecords):
    """See `Transport`."""

    name = "graphql"
    _refusals = 0
    """How often in a row the API took an update only without the empty one that tells what the real one replaces."""

    def send(self, action: Action, remote: Remote) -> Sent:
        """See `Transport`."""
        if action.name == "update_tags":
            return self._update(remote, {"tags": action.payload["tags"]})
        if action.name == "update_piano":
            return self._update(remote, {"notes": action.payload["observations"]})
        if action.name == "set_serviced":
            return self._update(remote, {"manualLastService": action.payload["last_serviced"]})
        if action.name == "add_measurement":
            return self.add_measurement(action, remote)
        return self._comment(action, remote)

    def _update(self, remote: Remote, values: Mapping[str, JsonValue]) -> Sent:
        data = self._updated({"id": remote.id, "input": values})
        payload = self.payload_of(data, "PushPiano", "updatePiano")
        after = remote_of(member(payload, "PushPiano", "piano"), remote.id)
        return Sent({"piano": after.as_before()}, after=after, before=_before(data.get("before"), remote.id))

    def _updated(self, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        if self._refusals < REFUSALS:
            with suppress(OperationFailed):  # perhaps of the empty update alone; a full one may be said twice
                data = self._mutation("PushPiano", {**variables, "nothing": {}})
                self._refusals = 0
                return data
        data = self._mutation("PushPlainPiano", variables)
        self._refusals += 1
        return data

    def _comment(self, action: Action, remote: Remote) -> Sent:
        values = {"comment": action.payload["text"], "createdAt": action.payload["created_at"]}
        if remote.client_id is None:
            raise WriteRefused("PushComment", gettext(NO_CLIENT), is_missing=True)
        variables = {"client": remote.client_id, "piano": remote.id, "input": values}
        made = member(self.mutate("PushComment", "createClientLog", variables), "PushComment", "clientLog")
        return Sent({"clientLog": {"id": made["id"], "createdAt": made.get("createdAt")}}, created_id=str(made["id"]))


def _before(payload: object, piano_id: str) -> Remote | None:
    """The record just before the write; None where an API answers an empty update with nothing of use."""
    try:
        return remote_of(payload.get("piano") if isinstance(payload, dict) else None, piano_id)
    except AnswerUnreadable:
        return None
