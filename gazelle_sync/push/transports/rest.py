"""The REST endpoints: one request an action. What has none (measurements, deletions, products) goes by GraphQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gazelle_sync.errors import AnswerUnreadable, ApiError
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Remote
from gazelle_sync.push.transports.graphql import GraphqlTransport, ends_run
from gazelle_sync.push.transports.protocol import Create, Ending, NotSent, Result, Sending, Sent, Update


class RestTransport(GraphqlTransport):
    """See `GraphqlTransport`. Reads by GraphQL; its answers do not tell what a write replaced."""

    is_batched = False

    def send(self, batch: Sequence[Sending]) -> list[Result]:
        """See `GraphqlTransport`."""
        results: list[Result] = []
        for one in batch:
            if results and ends_run(results[-1]):
                results += [NotSent()] * (len(batch) - len(results))
                break
            operation = self.kind.operations.get(one.action.name)
            if operation is None or isinstance(operation, Ending) or operation.rest is None:
                results += super().send([one])
                continue
            try:
                results.append(self._sent(one, operation))
            except ApiError as error:
                results.append(error)
        return results

    def _sent(self, one: Sending, operation: Update | Create) -> Sent:
        if operation.rest is None:
            raise TypeError(one.action.name)
        if isinstance(operation, Update):
            value = one.action.payload[operation.said_as]
            method, path, body = operation.rest(one.remote.id, value)
            answer = self.client.write_rest(f"{method} {path}", method, path, body)
            return self._updated(one, operation, answer, f"{method} {path}")
        method, path, body = operation.rest(one.remote.id, one.action.payload)
        answer = self.client.write_rest(f"{method} {path}", method, path, body)
        made = {"id": answer.get("id"), "created_at": answer.get("created_at")}
        return Sent({"comment": made}, created_id=str(made["id"]) if made["id"] else None)

    def _updated(self, one: Sending, operation: Update, answer: dict[str, Any], asked: str) -> Sent:
        """The record as the answer says it is, or else as it was sent."""
        sent = one.action.payload[operation.said_as]
        values = {operation.attribute: sent or None if isinstance(sent, str) else sent}
        for attribute, name, kinds in (("tags", "tags", list), ("notes", "observations", str | None)):
            if name in answer and isinstance(answer[name], kinds):
                values[attribute] = answer[name]
        if isinstance(sent, list) and values[operation.attribute] != sent:
            raise AnswerUnreadable(asked, gettext("Gazelle answered with other tags than were sent"))
        stamp = parse_instant(answer.get("updated_at")) or one.remote.updated_at
        after = one.remote.now(Remote(one.remote.id, values, stamp))
        return Sent({"piano": after.as_before()}, after=after)
