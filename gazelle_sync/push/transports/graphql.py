"""Documents of many aliased fields: one reads a wave of records, one sends a wave of actions.

Mutation fields of a document run in order and fail alone, so each alias is judged by itself. What is refused as a whole
(no `data`, or a 4xx) did not run: it is halved and sent again, down to one field. The size that is accepted is
remembered for a day, since nobody has written down how much Gazelle takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from gazelle_sync.push.model import JsonValue, Remote
from gazelle_sync.push.transports.protocol import (
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
Field = tuple[int, Sending, Operation, Query]
"""Of a document: its number, an action, what it comes to, and how that is asked for."""


class GraphqlTransport:
    """Reads and writes records of one kind at Gazelle: the published API.

    Args:
        client: Shared with nobody else's retries.
        kind: Of the records.

    Attributes:
        is_batched: Whether many actions go at once, and their answers tell what they replaced.
        api_ahead: How far Gazelle's clock is ahead of this machine's; None before the first answer.
    """

    is_batched = True

    def __init__(self, client: GazelleClient, kind: Kind) -> None:
        self.client = client
        self.kind = kind
        self.api_ahead: timedelta | None = None
        self._account: Mapping[str, JsonValue] | None = None
        self._refused_in_a_row = 0
        self._refusals = 0
        """How often in a row the API took an update only without the empty one that tells what it replaces."""

    # ---- reading

    def read(self, wanted: Sequence[Wanted], *, is_look_up: bool = False) -> dict[Wanted, Read]:
        """Read records, many to a request; one that is refused is split until the bad record stands alone.

        Args:
            wanted: Which.
            is_look_up: Whether something that came to no answer is looked for.

        Raises:
            ApiError: Gazelle cannot be asked at all.
        """
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
        if self._account is None:
            self._account = self.kind.of_account(self.client)
        found: list[tuple[Wanted, Read]] = []
        for one, places_of in zip(wanted, places, strict=True):
            said = {place: answer.data[alias] for place, alias in places_of.items() if alias in answer.data}
            answers = {**self._account, **said}
            try:
                found.append((one, self.kind.record(one, answers, self.page)))
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

    def page(self, operation: str, variables: Mapping[str, JsonValue]) -> dict[str, Any]:
        """Read one page; a size that is refused is tried again smaller, of the list and of the lists inside records.

        Raises:
            ApiError: Also at the smallest size.
        """
        text = documents.operation("push", operation)
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
        """Send actions, each once; what came of each, in their order.

        An `ApiError` says what was wrong with it: `may_have_been_taken` says whether it may have been done all the
        same.
        """
        fields = [self._field(n, one) for n, one in enumerate(batch)]
        stopped = False

        def send_part(part: Sequence[Field]) -> list[Result]:
            nonlocal stopped
            found: list[Result] = [NotSent() for _ in part] if stopped else self._send(part)
            stopped = stopped or any(ends_run(result) for result in found)
            return found

        def refused(_: Field, error: ApiError) -> list[Result]:
            return [WriteRefused("Push", "; ".join(error.messages)) if isinstance(error, OperationFailed) else error]

        results = iter(self._halved([one for one in fields if not isinstance(one, ApiError)], send_part, refused))
        return [one if isinstance(one, ApiError) else next(results) for one in fields]

    def _field(self, n: int, one: Sending) -> Field | ApiError:
        operation = self.kind.operation(one.action.name)
        try:
            return n, one, operation, operation.mutation(one.action, one.remote)
        except ApiError as error:
            return error

    def _send(self, part: Sequence[Field]) -> list[Result]:
        """One document, or for updates without the empty ones a second.

        Raises:
            OperationFailed: It was refused as a whole, and nothing of it ran; likewise `RequestRefused`.
        """
        updates = [isinstance(operation, Update) for _, _, operation, _ in part]
        tells = self._refusals < REFUSALS and any(updates)
        while True:
            try:
                found = self._send_document(part, tells=tells)
            except OperationFailed as error:
                if tells and all(updates) and (error.has_data or len(part) == 1):
                    # Perhaps only the empty updates were refused; full ones may be said twice.
                    self._refusals += 1
                    tells = False
                    continue
                if error.has_data:
                    return [error for _ in part]
                raise
            self._refusals = 0 if tells else self._refusals
            return found

    def _send_document(self, part: Sequence[Field], *, tells: bool) -> list[Result]:
        aliased: list[tuple[str, Query]] = []
        for n, one, operation, query in part:
            nothing = operation.nothing(one.remote) if tells and isinstance(operation, Update) else None
            aliased += [(f"b{n}", nothing)] if nothing is not None else []
            aliased.append((f"m{n}", query))
        text, variables = documents.aliased("mutation", "Push", aliased)
        doubt: ApiError | None = None
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
            return [error for _ in part]
        else:
            self._compare_clocks(answer)
            data = answer.data
        return [self._result_of(field, data, doubt) for field in part]

    def _result_of(self, field: Field, data: Mapping[str, Any], doubt: ApiError | None) -> Result:
        """What a document's answer says of one of its fields."""
        n, one, operation, query = field
        try:
            payload = _carried_out("Push", query.root, data.get(f"m{n}"))
        except WriteRefused as error:
            return error
        except AnswerUnreadable as error:
            return doubt or error
        try:
            return replace(
                operation.sent(payload, one.remote), before=self._before(operation, data.get(f"b{n}"), one.remote)
            )
        except AnswerUnreadable as error:
            return error

    def _before(self, operation: Operation, payload: object, remote: Remote) -> Remote | None:
        """The record just before the write; None where an API answers an empty update with nothing of use."""
        try:
            return operation.sent(payload, remote).after if isinstance(payload, dict) else None
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
        return _carried_out(operation, root, answer.data.get(root))

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
        found, start = [], 0
        while start < len(items):
            part = items[start : start + self.client.document_size.size]
            start += len(part)
            answers, accepted = self._in_parts(part, ask, alone)
            found += answers
            if accepted < len(part):
                self.client.document_size.shrink(accepted)
        return found

    def _in_parts(
        self, items: Sequence[T], ask: Callable[[Sequence[T]], list[Any]], alone: Callable[[T, ApiError], list[Any]]
    ) -> tuple[list[Any], int]:
        """What items come to, and how many of them were accepted at once; 0 where one item was to blame."""
        try:
            return ask(items), len(items)
        except ApiError as error:
            if not self._may_be_too_much(error):
                raise
            if len(items) == 1:
                return alone(items[0], error), 0
        middle = len(items) // 2
        halves = [self._in_parts(half, ask, alone) for half in (items[:middle], items[middle:])]
        sizes = [accepted for _, accepted in halves]
        return [answer for answers, _ in halves for answer in answers], 0 if 0 in sizes else max(sizes)

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


def _carried_out(operation: str, root: str, payload: object) -> dict[str, Any]:
    """The payload of a mutation that was carried out.

    Raises:
        WriteRefused: `mutationErrors`.
        AnswerUnreadable: It says neither that it was done nor that it was not.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("mutationErrors", []), list):
        raise lacks(operation, root)
    if problems := payload.get("mutationErrors"):
        kinds = {problem.get("type") for problem in problems if isinstance(problem, dict)}
        raise WriteRefused(operation, format_errors(problems), is_missing="NOT_FOUND" in kinds)
    return payload
