"""Reading from the API: pages and requests by id that shrink when refused, nested lists to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from gazelle_sync.entities import Entity
from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    OperationFailed,
    RequestRefused,
)
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import Answer, GazelleClient
from gazelle_sync.gazelle.page_sizes import NESTED_SIZES, may_be_the_size
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.pull.nested import NestedLists
from gazelle_sync.pull.refusals import Refusals
from gazelle_sync.pull.validation import CONNECTION, are_valid, duplicate_ids, missing_fields
from gazelle_sync.runtime.logs import get_logger

PAGE_SIZES = (500, 250, 200, 100, 50, 20, 10)
"""What is asked for instead of a page that is refused. Gazelle has been seen to accept 1000 and 200, 100 is safe
(gazelle-facts, "Reading"); the least ones are for a record that cannot be given, or comes too slowly."""
IDS_PER_REQUEST = 50
REFUSED_IN_A_ROW = 3
BAD_IN_A_ROW = 50
"""So many records that cannot be given, and none among them that can: it is not the records (a field that this account
may not read, say). Each costs seconds to find; a whole account would cost hours."""
MOVED = Message("the list changed during every try: additions and edits are in, deletions were not looked for")
DENIED = Message("Gazelle says that it is not there, and in the same answer denies a record that it has just listed")

log = get_logger("gazelle_sync.pull")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a connection.

    Attributes:
        nodes: Records, nulls left out.
        total: The connection's `totalCount`.
        holes: How many nodes were null: records that Gazelle has and cannot give.
        answer: The answer it came in.
        info: `pageInfo`.
    """

    nodes: list[Any]
    total: int
    holes: int
    answer: Answer
    info: dict[str, Any]


class Source(Protocol):
    """One entity at Gazelle, for whoever reads it: a pull, or a verification."""

    @property
    def entity(self) -> Entity: ...  # noqa: D102
    @property
    def client(self) -> GazelleClient: ...  # noqa: D102
    @property
    def reader(self) -> Reader: ...  # noqa: D102


class Reader:
    """Reads one entity; it remembers the page size that Gazelle accepted.

    Attributes:
        page_size: Records asked for at once, by now.
        nested: Reads the lists inside records to their end, and knows how many rows of each are asked for at once.
        was_refused: Whether one shrank because Gazelle refused a larger page, not because it was slow or failing.
        invalid: Id → why a body is not what was asked for. What it says is good, what it leaves out is not known: it
            is stored, and must be read again.

    Args:
        client: The API.
        entity: Which.
        page_size: Records asked for at once, to begin with.
        nested_size: Rows asked for at once of each list inside a record, to begin with.
        refusals: What the run knows already.
    """

    def __init__(
        self,
        client: GazelleClient,
        entity: Entity,
        page_size: int,
        nested_size: int = NESTED_SIZES[0],
        refusals: Refusals | None = None,
    ) -> None:
        self._client = client
        self._entity = entity
        self._asked = documents.selection_of(entity.name, entity.body_fragment, entity.never_null | CONNECTION)
        self._asked_size = page_size
        self._asked_nested = nested_size
        self.page_size = page_size
        self.nested = NestedLists(client, entity, nested_size)
        self.was_refused = False
        self.invalid: dict[str, str] = {}
        self._refusals = refusals or Refusals()
        self._has_answered = False
        self._refused_in_a_row = 0
        self._bad_in_a_row = 0

    def page(self, operation: str, variables: dict[str, Any], *, size_name: str = "first") -> Page:
        """Read one page; a size that is refused, or too slow, is tried again smaller.

        Raises:
            ApiError: Also at the smallest size.
        """
        if operation == self._entity.page_operation:
            self._refusals.check()
        text = documents.operation(self._entity.name, operation)
        while True:
            size = min(self.page_size, variables.get(size_name, self.page_size))
            smaller = next((s for s in PAGE_SIZES if s < size), None)
            asked = {**variables, size_name: size}
            try:
                sized = documents.with_nested_pages(text, self.nested.size)
                answer = self._client.execute(operation, sized, asked, can_ask_for_less=smaller is not None)
                page = page_of(operation, answer, self._entity.root)
            except ApiError as error:
                if smaller is None and self._ask_for_less_inside(text, error):
                    continue
                if smaller is None:  # it was not the size: some record cannot be given at any
                    self.page_size, self.was_refused = self._asked_size, False
                    if isinstance(error, OperationFailed) and error.bad_nodes:
                        page = self._around(error, operation, size)
                        if self._refusals.has_given or self._bad_in_a_row < BAD_IN_A_ROW:
                            return page
                if smaller is None or not may_be_the_size(error):
                    raise
                log.warning("page refused, asking for fewer records", operation=operation, size=size, next=smaller)
                self.page_size = smaller
                self.was_refused = isinstance(error, (OperationFailed, RequestRefused))
            else:
                self._note_given(operation, page)
                return page

    def _around(self, error: OperationFailed, operation: str, size: int) -> Page:
        page = _page_around(error, operation, self._entity.root)
        self._refusals.has_given = self._refusals.has_given or bool(page.nodes)
        self._refusals.add(error, page.holes)
        if not self._refusals.has_given:
            self.page_size = size  # larger ones were refused, and nothing has been given since
        self._bad_in_a_row += page.holes
        return page

    def _note_given(self, operation: str, page: Page) -> None:
        if operation != self._entity.page_operation:
            return
        if self.nested.size != self._asked_nested and not self._refusals.has_given:
            self.page_size = self._asked_size  # it was refused for lists inside the records
        self._refusals.has_given = self._refusals.has_given or bool(page.nodes)
        self.examine(page.nodes)

    def pages(self, operation: str, variables: dict[str, Any]) -> Iterator[Page]:
        """Read a connection to its end.

        Raises:
            ApiError: A page could not be read; `AnswerUnreadable` where the cursors run in a circle.
        """
        cursors: set[str] = set()
        after: str | None = None
        while True:
            page = self.page(operation, {**variables, **({"after": after} if after else {})})
            yield page
            if not page.info.get("hasNextPage"):
                return
            after = page.info.get("endCursor")
            if not after or after in cursors:
                raise AnswerUnreadable(
                    operation, gettext("the pages have no end: Gazelle gave the same cursor twice, or none")
                )
            cursors.add(after)

    def completed_pages(self, operation: str, variables: dict[str, Any]) -> Iterator[Page]:
        """The same, with the nested lists of each record read to their end."""
        for page in self.pages(operation, variables):
            self.completed(page.nodes)
            yield page

    def whole_list(self, operation: str) -> tuple[list[Any], Answer, bool]:
        """Read a plain list (users, products, taxes).

        Returns:
            The records that were given, the answer, and whether they are all there are: no null and no id twice.
        """
        answer = self._client.execute(operation, documents.operation(self._entity.name, operation))
        records = answer.data.get(self._entity.root)
        if not isinstance(records, list):
            raise AnswerUnreadable(operation, gettext("the answer holds no list {name}", name=self._entity.root))
        given = [record for record in records if record is not None]
        if operation == self._entity.page_operation:
            self.examine(given)
        ids = {record.get("id") for record in given if isinstance(record, dict)}
        return given, answer, len(ids) == len(records)

    def examine(self, bodies: Sequence[Any]) -> None:
        """Note the bodies that lack what was asked for, hold a null that the schema rules out, or share an id."""
        if not self.invalid and are_valid(bodies, self._asked):
            return
        for body in bodies:
            if not isinstance(body, dict) or not isinstance(body.get("id"), str):
                continue  # it will be in error, with its reason
            if wrong := missing_fields(body, self._asked):
                self.invalid[body["id"]] = gettext(
                    "Gazelle's answer lacks {fields}; it will be read again", fields=", ".join(sorted(wrong))
                )
            elif self.invalid:
                self.invalid.pop(body["id"], None)
        double = gettext("Gazelle gave two records under this id; it will be read again")
        self.invalid |= dict.fromkeys(duplicate_ids(bodies), double)

    def by_ids(self, ids: Sequence[str], controls: Sequence[str] = ()) -> Iterator[ByIds]:
        """Read records by id, many to a request; a request that is refused is split until the bad record is alone.

        Args:
            ids: Which.
            controls: Records that are certainly there. One is asked for along with each request (the next where it
                cannot be given): if an answer denies it too, what it denies has failed.

        Yields:
            What each request gave of `ids`, as it arrives.
        """
        known = {i: self._refusals.ids[i] for i in ids if i in self._refusals.ids}
        if known:
            yield ByIds([], [], known, None)
            ids = [i for i in ids if i not in known]
        at_once = IDS_PER_REQUEST - bool(controls)
        for start in range(0, len(ids), at_once):
            yield from self._by_ids(list(ids[start : start + at_once]), controls)

    def _by_ids(self, ids: list[str], controls: Sequence[str]) -> Iterator[ByIds]:
        self._refusals.check()
        operation = f"{self._entity.name.capitalize()}ById"
        asked = [*ids, *controls[:1]]
        text, variables = documents.by_ids(self._entity, asked)
        try:
            sized = documents.with_nested_pages(text, self.nested.size)
            answer = self._client.execute(operation, sized, dict(variables), can_ask_for_less=len(asked) > 1)
        except (OperationFailed, AnswerUnreadable, RequestRefused, ApiUnreachable, ApiUnavailable) as error:
            yield from self._after_refusal(ids, controls, error)
            return
        self._has_answered, self._refused_in_a_row = True, 0
        bodies, gone, failed = [], [], {}
        for n, external_id in enumerate(ids):
            body = answer.data.get(f"n{n}", "absent")
            if body is None:
                gone.append(external_id)
            elif isinstance(body, dict) and body.get("id") == external_id:
                bodies.append(body)
            else:
                failed[external_id] = f"{operation}: " + gettext(
                    "asked for {id}, Gazelle answered with another record", id=external_id
                )
        if controls and answer.data.get(f"n{len(ids)}") is None:
            gone, failed = [], failed | dict.fromkeys(gone, gettext(DENIED))
        self._refusals.has_given = self._refusals.has_given or bool(bodies)
        self.examine(bodies)
        yield ByIds(self.completed(bodies), gone, failed, answer)

    def _after_refusal(self, ids: list[str], controls: Sequence[str], error: ApiError) -> Iterator[ByIds]:
        """Ask for fewer, down to the one record that is not there or cannot be given."""
        if len(ids) == 1 and isinstance(error, OperationFailed) and "n0" in error.not_found:
            is_denied = "n1" in error.not_found
            yield ByIds([], [], {ids[0]: gettext(DENIED)}, None) if is_denied else ByIds([], ids, {}, None)
        elif len(ids) == 1 and self._ask_for_less_inside(documents.by_ids(self._entity, ids)[0], error):
            yield from self._by_ids(ids, controls)
        elif len(ids) == 1 and not controls:
            self._refused_in_a_row += 1
            if not self._is_this_record(error):
                raise error
            self._refusals.add(error, 1)
            self._refusals.ids[ids[0]] = str(error)
            yield ByIds([], [], {ids[0]: str(error)}, None)
        elif not may_be_the_size(error):
            raise error
        elif len(ids) == 1:
            yield from self._by_ids(ids, controls[1:])  # perhaps it is the control that cannot be given
        else:
            if self._refusals.would_be_all(error, len(ids)):
                self._refusals.add(error, len(ids))
            middle = len(ids) // 2
            yield from self._by_ids(ids[:middle], controls)
            yield from self._by_ids(ids[middle:], controls)

    def _ask_for_less_inside(self, text: str, error: ApiError) -> bool:
        """Whether smaller pages of the lists inside records are left to try, before any record was given.

        Where the smallest are refused as well it was not their size: then they are asked for as before, from there on.
        """
        if self._refusals.has_given or self._has_answered or self._refusals.tried_inside:
            return False
        if not isinstance(error, (OperationFailed, RequestRefused)) or not may_be_the_size(error):
            return False
        smaller = next((s for s in NESTED_SIZES if s < self.nested.size), None)
        if documents.with_nested_pages(text, 0) == text or _gives_some(error, self._entity.root):
            return False
        if smaller is None:
            self.nested.size, self._refusals.tried_inside = self._asked_nested, True
            return False
        log.warning("asking for smaller pages of the lists inside records", entity=self._entity.name, size=smaller)
        self.nested.size, self.was_refused = smaller, True
        return True

    def _is_this_record(self, error: ApiError) -> bool:
        """Whether it is this one record that Gazelle cannot give, rather than Gazelle that cannot answer.

        Raises:
            ApiError: Not even the account can be read.
        """
        is_forbidden = isinstance(error, RequestRefused) and error.is_forbidden
        if is_forbidden or isinstance(error, (OperationFailed, AnswerUnreadable)):
            return self._has_answered or self._refusals.has_given or self._refused_in_a_row < BAD_IN_A_ROW
        if not (self._has_answered and may_be_the_size(error)) or self._refused_in_a_row >= BAD_IN_A_ROW:
            return False
        if self._refused_in_a_row > REFUSED_IN_A_ROW:
            self._client.read_account()
        return True

    def completed(self, bodies: list[Any]) -> list[Any]:
        """Read the rest of nested lists that were cut at their first page (an institution's contacts, say)."""
        if self.nested.complete(bodies):
            self.examine(bodies)
        return bodies

    def refill(self, body: dict[str, Any]) -> bool:
        """Ask the own pages of a record's nested lists that came empty; gives whether any held something."""
        found = self.nested.refill(body)
        if found:
            self.examine([body])
        return found


@dataclass(frozen=True, slots=True)
class ByIds:
    """What a request by ids gave.

    Attributes:
        bodies: Records that are there.
        gone: Ids for which Gazelle said, without any error, that there is no such record.
        failed: Id → why it could not be read.
        answer: The answer, where there was one.
    """

    bodies: list[Any]
    gone: list[str]
    failed: dict[str, str]
    answer: Answer | None


def page_of(operation: str, answer: Answer, root: str) -> Page:
    """The page that an answer holds under a root.

    Raises:
        AnswerUnreadable: It holds none.
    """
    connection = answer.data.get(root)
    if not isinstance(connection, dict):
        raise AnswerUnreadable(operation, gettext("the answer holds no {name}", name=root))
    total, info = connection.get("totalCount"), connection.get("pageInfo")
    nodes = connection.get("nodes") or []
    if not isinstance(total, int) or not isinstance(info, dict) or not isinstance(nodes, list):
        raise AnswerUnreadable(operation, gettext("the answer's {name} lacks totalCount, pageInfo or nodes", name=root))
    living = [node for node in nodes if node is not None]
    return Page(living, total, len(nodes) - len(living), answer, info)


def _page_around(error: OperationFailed, operation: str, root: str) -> Page:
    """The smallest page without the records that Gazelle cannot give: they are holes, the others are valid."""
    log.warning("Gazelle cannot give some records of a page", operation=operation, reason=str(error))
    answer = Answer(dict(error.data), datetime.now(UTC) - timedelta(days=1), has_replacements=True)
    page = page_of(operation, answer, root)
    nodes = (error.data.get(root) or {}).get("nodes") or []
    valid = [node for n, node in enumerate(nodes) if node is not None and n not in error.bad_nodes]
    return Page(valid, page.total, len(nodes) - len(valid), answer, page.info)


def _gives_some(error: ApiError, root: str) -> bool:
    """Whether an answer with errors holds records that they are not about."""
    if not isinstance(error, OperationFailed) or not error.bad_nodes:
        return False
    nodes = (error.data.get(root) or {}).get("nodes") or []
    return any(node is not None and n not in error.bad_nodes for n, node in enumerate(nodes))
