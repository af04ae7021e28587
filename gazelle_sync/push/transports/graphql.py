"""Documents of many aliased fields: one reads a wave of records, one sends a wave of actions.

Mutation fields of a document run in order and fail alone, so each alias is judged by itself. What is refused as a whole
(no `data`, or a 4xx) did not run: it is halved and sent again, down to one field. The size that is accepted is
remembered for a day, since nobody has written down how much Gazelle takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx

from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    OperationFailed,
    RequestRefused,
    WriteRefused,
)
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.answers import format_errors
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.push.model import UNDO, Action, JsonValue, Remote
from gazelle_sync.push.transports.protocol import (
    Create,
    Kind,
    NotSent,
    Operation,
    Query,
    Read,
    Result,
    Sending,
    Sent,
    Update,
    Wanted,
    lacks,
)

REFUSED_IN_A_ROW = 3
"""After so many single records that cannot be read, with none that can between them, the account is read."""
REFUSALS = 2
"""After so many in a row the empty update is left out: once may have been a passing error."""

T = TypeVar("T")
Aliased = Sequence[tuple[str, Query]]


class GraphqlTransport:
    """See `Transport`: the published API.

    Args:
        client: Shared with nobody else's retries.
        kind: Of the records.
    """

    name = "graphql"
    is_batched = True

    def __init__(self, client: GazelleClient, kind: Kind) -> None:
        self.client = client
        self.kind = kind
        self.api_ahead: timedelta | None = None
        self._refused_in_a_row = 0
        self._refusals = 0
        """How often in a row the API took an update only without the empty one that tells what it replaces."""

    # ---- reading

    def read(self, wanted: Sequence[Wanted], *, is_look_up: bool = False) -> dict[Wanted, Read]:
        """See `Transport`. A request that is refused is split until the bad record stands alone."""
        name = "PushEntries" if is_look_up else "PushRead"
        return dict(self._halved(wanted, lambda part: self._read(name, part), self._unreadable))

    def _read(self, name: str, wanted: Sequence[Wanted]) -> list[tuple[Wanted, Read]]:
        page = self.client.pushed_size.size
        aliased: dict[str, Query] = {}
        places: list[dict[str, str]] = []
        whole: dict[str, str] = {}
        """Lists that are asked for once, whatever the number of records."""
        for n, one in enumerate(wanted):
            places.append({})
            for query in self.kind.queries(one, page):
                alias = f"{query.place}{n}" if query.arguments else whole.setdefault(query.root, f"{query.place}{n}")
                aliased.setdefault(alias, query)
                places[-1][query.place] = alias
        try:
            answer = self._ask(name, list(aliased.items()))
        except ApiUnreachable as error:
            if error.is_timeout:
                self.client.document_size.shrink(len(wanted) // 2)  # for the next run
            raise
        self._refused_in_a_row = 0
        if any(one.since is not None for one in wanted):
            self.client.pushed_size.accepted()
        found: list[tuple[Wanted, Read]] = []
        for one, places_of in zip(wanted, places, strict=True):
            answers = {place: answer.data[alias] for place, alias in places_of.items() if alias in answer.data}
            try:
                found.append((one, self.kind.record(one, answers, self._page)))
            except ApiError as error:
                found.append((one, error))
        return found

    def _unreadable(self, one: Wanted, error: ApiError) -> list[tuple[Wanted, Read]]:
        """What a record is whose own request was refused."""
        if isinstance(error, OperationFailed) and error.not_found == {"n0"}:
            return [(one, None)]
        if one.since is not None and self.client.pushed_size.shrink(error, self.client.pushed_size.size):
            return list(self.read([one]).items())
        self._refused_in_a_row += 1
        if self._refused_in_a_row > REFUSED_IN_A_ROW:
            self.client.read_account()  # or it is not the records
            self._refused_in_a_row = 0
        return [(one, error)]

    def _ask(self, name: str, aliased: Aliased) -> Answer:
        text, variables = documents.aliased("query", name, aliased)
        text = documents.with_nested_pages(text, self.client.pushed_size.size)
        answer = self.client.execute_exactly(name, text, variables)
        self._compare_clocks(answer)
        return answer

    def _page(self, operation: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        return self.page(operation, documents.operation("push", operation), variables)

    def page(self, operation: str, text: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Read one page; a size that is refused is tried again smaller, of the list and of the lists inside records.

        Raises:
            ApiError: Also at the smallest size.
        """
        pushed = self.client.pushed_size
        while True:
            size = pushed.size
            sized = documents.with_nested_pages(text, size)
            try:
                data = self.client.execute_exactly(operation, sized, {**variables, "first": size}).data
            except ApiError as error:
                if not pushed.shrink(error, size):
                    raise
            else:
                pushed.accepted()
                return data

    def _compare_clocks(self, answer: Answer) -> None:
        if self.api_ahead is None:
            self.api_ahead = answer.not_before - datetime.now(UTC)

    # ---- writing

    def send(self, batch: Sequence[Sending]) -> list[Result]:
        """See `Transport`."""
        results: dict[int, Result] = {}
        fields: list[tuple[int, Query]] = []
        for n, one in enumerate(batch):
            try:
                fields.append((n, self._mutation(one)))
            except ApiError as error:
                results[n] = error
        stopped = False

        def send_part(part: Sequence[tuple[int, Query]]) -> list[tuple[int, Result]]:
            nonlocal stopped
            if stopped:
                return [(n, NotSent()) for n, _ in part]
            found = self._send(batch, part)
            stopped = any(ends_run(result) for _, result in found)
            return found

        def refused(one: tuple[int, Query], error: ApiError) -> list[tuple[int, Result]]:
            if isinstance(error, OperationFailed):
                error = WriteRefused("Push", "; ".join(error.messages))
            return [(one[0], error)]

        results |= dict(self._halved(fields, send_part, refused))
        return [results[n] for n in range(len(batch))]

    def _mutation(self, one: Sending) -> Query:
        """The field that an action is.

        Raises:
            WriteRefused: It cannot be said of this record.
        """
        return self._operation(one.action).mutation(one.action, one.remote)

    def _operation(self, action: Action) -> Operation:
        """What an action comes to: what puts an update back writes it, what puts a create back deletes it."""
        operation = self.kind.operations[action.name.removeprefix(UNDO)]
        if action.name.startswith(UNDO) and isinstance(operation, Create) and operation.deletion is not None:
            return operation.deletion
        return operation

    def _send(self, batch: Sequence[Sending], part: Sequence[tuple[int, Query]]) -> list[tuple[int, Result]]:
        """One document, or for a single update without the empty one a second.

        Raises:
            OperationFailed: It was refused as a whole, and nothing of it ran; likewise `RequestRefused`.
        """
        tells = self._refusals < REFUSALS and any(self._is_update(batch[n]) for n, _ in part)
        try:
            found = self._send_document(batch, part, tells=tells)
        except OperationFailed as error:
            # Perhaps only the empty updates were refused; full ones may be said twice.
            is_safe = all(self._is_update(batch[n]) for n, _ in part) and (error.has_data or len(part) == 1)
            if not (tells and is_safe):
                if error.has_data:
                    return [(n, error) for n, _ in part]
                raise
            self._refusals += 1
            return self._send_plainly(batch, part)
        self._refusals = 0 if tells else self._refusals
        return found

    def _send_plainly(self, batch: Sequence[Sending], part: Sequence[tuple[int, Query]]) -> list[tuple[int, Result]]:
        try:
            return self._send_document(batch, part, tells=False)
        except OperationFailed as error:
            if error.has_data:
                return [(n, error) for n, _ in part]
            raise

    def _is_update(self, one: Sending) -> bool:
        return isinstance(self._operation(one.action), Update)

    def _send_document(
        self, batch: Sequence[Sending], part: Sequence[tuple[int, Query]], *, tells: bool
    ) -> list[tuple[int, Result]]:
        aliased: list[tuple[str, Query]] = []
        for n, field in part:
            operation = self._operation(batch[n].action)
            nothing = operation.nothing(batch[n].remote) if tells and isinstance(operation, Update) else None
            if nothing is not None:
                aliased.append((f"b{n}", nothing))
            aliased.append((f"m{n}", field))
        text, variables = documents.aliased("mutation", "Push", aliased)
        data: Mapping[str, Any] = {}
        doubt: ApiError = AnswerUnreadable("Push", "")
        try:
            answer = self.client.execute_exactly("Push", text, variables, is_write=True)
        except OperationFailed as error:
            if not error.data:
                raise
            data, doubt = error.data, error
        except RequestRefused:
            raise
        except ApiError as error:
            if isinstance(error, ApiUnreachable) and error.is_timeout:
                self.client.document_size.shrink(len(part) // 2)
            return [(n, error) for n, _ in part]
        else:
            self._compare_clocks(answer)
            data = answer.data
        return [(n, self._judged(batch[n], field, data, n, doubt)) for n, field in part]

    def _judged(self, one: Sending, field: Query, data: Mapping[str, Any], n: int, doubt: ApiError) -> Result:
        """What a document's answer says of one of its fields."""
        payload = data.get(f"m{n}")
        if not isinstance(payload, dict) or not isinstance(payload.get("mutationErrors", []), list):
            return doubt if str(doubt) != "Push: " else lacks("Push", field.root)
        if problems := payload.get("mutationErrors"):
            kinds = {problem.get("type") for problem in problems if isinstance(problem, dict)}
            return WriteRefused("Push", format_errors(problems), is_missing="NOT_FOUND" in kinds)
        operation = self._operation(one.action)
        try:
            sent = operation.sent(payload, one.remote)
        except AnswerUnreadable as error:
            return error
        if isinstance(operation, Update):
            return Sent(sent.response, after=sent.after, before=self._before(operation, data.get(f"b{n}"), one.remote))
        return sent

    def _before(self, operation: Update, payload: object, remote: Remote) -> Remote | None:
        """The record just before the write; None where an API answers an empty update with nothing of use."""
        try:
            return operation.sent(payload if isinstance(payload, dict) else {}, remote).after
        except AnswerUnreadable:
            return None

    def mutate(self, operation: str, root: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Send a single mutation of the operations file; the payload of its root field.

        Raises:
            WriteRefused: `mutationErrors`.
            AnswerUnreadable: The answer says neither that it was done nor that it was not.
        """
        text = documents.with_nested_pages(documents.operation("push", operation), self.client.pushed_size.size)
        answer = self.client.execute_exactly(operation, text, variables, is_write=True)
        payload = answer.data.get(root)
        if not isinstance(payload, dict) or not isinstance(payload.get("mutationErrors", []), list):
            raise lacks(operation, root)
        if problems := payload.get("mutationErrors"):
            kinds = {problem.get("type") for problem in problems if isinstance(problem, dict)}
            raise WriteRefused(operation, format_errors(problems), is_missing="NOT_FOUND" in kinds)
        return payload

    # ---- sizes

    def _halved(
        self, items: Sequence[T], ask: Callable[[Sequence[T]], list[Any]], alone: Callable[[T, ApiError], list[Any]]
    ) -> list[Any]:
        """Ask for items, as many at once as is accepted.

        Args:
            items: Of a request.
            ask: Sends a request; what it refuses as a whole may be sent again in parts.
            alone: What an item comes to that is refused alone.
        """
        size, found, start = self.client.document_size.size, [], 0
        while start < len(items):
            part = items[start : start + size]
            start += size
            try:
                found += ask(part)
            except ApiError as error:
                if not self._may_be_too_much(error):
                    raise
                answers, accepted = self._parts(part, error, ask, alone)
                found += answers
                self.client.document_size.shrink(accepted)
                size = self.client.document_size.size
        return found

    def _parts(
        self,
        items: Sequence[T],
        error: ApiError,
        ask: Callable[[Sequence[T]], list[Any]],
        alone: Callable[[T, ApiError], list[Any]],
    ) -> tuple[list[Any], int]:
        """What the halves come to, and how many were accepted at once; 0 where one item was to blame."""
        if len(items) == 1:
            return alone(items[0], error), 0
        middle = len(items) // 2
        found, sizes = [], []
        for half in (items[:middle], items[middle:]):
            try:
                answers, accepted = ask(half), len(half)
            except ApiError as again:
                if not self._may_be_too_much(again):
                    raise
                answers, accepted = self._parts(half, again, ask, alone)
            found += answers
            sizes.append(accepted)
        return found, 0 if 0 in sizes else max(sizes)

    def _may_be_too_much(self, error: ApiError) -> bool:
        """Whether a smaller request may go; a 500 only where a plain read goes as well."""
        if isinstance(error, ApiUnavailable):
            if error.status != httpx.codes.INTERNAL_SERVER_ERROR:
                return False
            self.client.read_account()  # does only this request make Gazelle stumble?
            return True
        return isinstance(error, (OperationFailed, AnswerUnreadable, RequestRefused))


def ends_run(result: Result) -> bool:
    """Whether a result says that nothing can be sent at all; this action was not taken."""
    if isinstance(result, (RequestRefused, Sent, NotSent)):
        return False
    return isinstance(result, CredentialsRefused) or not may_have_been_taken(result)
