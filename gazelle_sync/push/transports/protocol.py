"""How edits travel: what a kind of record says of itself, what a transport offers, the values that pass between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from gazelle_sync.errors import AnswerUnreadable, ApiError
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.model import UNDO, Action, Item, JsonValue, Remote, Values

Read = Remote | None | ApiError
"""A record, or None where Gazelle has none, or why this one cannot be read."""


@dataclass(frozen=True)
class Wanted:
    """A record to read.

    Attributes:
        id: External id.
        since: Also what belongs to it from this instant on; None: only what comes with the record.
        parent: External id of the record that it belongs to, where it is made under one.
    """

    id: str
    since: datetime | None = None
    parent: str | None = None


@dataclass
class Sending:
    """An action on its way.

    Attributes:
        action: What.
        remote: The record as it was read.
    """

    action: Action
    remote: Remote


@dataclass(frozen=True)
class Sent:
    """What came of an action that Gazelle has.

    Attributes:
        response: What to keep in the log.
        created_id: Id of what was made.
        after: The record as it is now, where the answer says so.
        before: The record that the write replaced, where the answer says so.
    """

    response: Values = field(default_factory=dict)
    created_id: str | None = None
    after: Remote | None = None
    before: Remote | None = None


class NotSent(Exception):
    """An earlier one ended the run: this action was not sent."""


Result = Sent | ApiError | NotSent


@dataclass(frozen=True)
class Query:
    """A root field of a document.

    Attributes:
        root: Its name.
        arguments: Name → GraphQL type and value.
        selection: What is asked for of its value.
        place: Distinguishes it from other fields about the same record.
    """

    root: str
    arguments: Mapping[str, tuple[str, JsonValue]]
    selection: str
    place: str = "n"


@dataclass(frozen=True)
class Update:
    """An action that writes an attribute of a record. Sending it twice changes nothing.

    Attributes:
        called: What staff call it.
        attribute: Which.
        said_as: What the payload calls it.
        root: The mutation.
        input_type: Of its `input`.
        field: Of the input; None: the attribute is the whole input, because the mutation replaces the record.
        member: Of the mutation's payload: the record as it is now.
        selection: What is asked for of it.
        parse: That record's body and its id → the record.
        rest: Id and value → method, path and body of the REST endpoint; None: there is none.
        empty: What the attribute is where Gazelle has nothing.
    """

    called: Message
    attribute: str
    said_as: str
    root: str
    input_type: str
    field: str | None
    member: str
    selection: str
    parse: Callable[[Any, str], Remote]
    rest: Callable[[str, JsonValue], tuple[str, str, dict[str, JsonValue]]] | None = None
    empty: JsonValue = None

    def value_in(self, values: Values) -> JsonValue:
        """The attribute's value among those of a record."""
        return self.empty if (value := values.get(self.attribute)) is None else value

    def mutation(self, action: Action, remote: Remote) -> Query:
        """The field of the document."""
        value = action.payload[self.said_as]
        return self._field(remote, value if self.field is None else {self.field: value})

    def nothing(self, remote: Remote) -> Query | None:
        """The same mutation of nothing: its answer tells what the real one, right after it, replaces.

        None where the mutation replaces the record: there, nothing would empty it. Elsewhere it risks no more than the
        real one, which leaves out attributes as well.
        """
        return None if self.field is None else self._field(remote, {})

    def sent(self, payload: Mapping[str, Any], remote: Remote) -> Sent:
        """What the mutation's payload says.

        Raises:
            AnswerUnreadable: Whether it was done is not known.
        """
        after = self.parse(member(payload, self.root, self.member), remote.id)
        return Sent({self.member: after.as_before()}, after=after)

    def has(self, remote: Remote, payload: Values) -> bool:
        """Whether a record already says what the action writes."""
        return bool(self.value_in(remote.values) == self.value_in({self.attribute: payload.get(self.said_as)}))

    def _field(self, remote: Remote, values: Values) -> Query:
        arguments: dict[str, tuple[str, JsonValue]] = {
            "id": ("String!", remote.id), "input": (f"{self.input_type}!", dict(values)),
        }  # fmt: skip
        return Query(self.root, arguments, f"{self.member} {{ {self.selection} }}")


@dataclass(frozen=True)
class Ending:
    """An action that ends something by its id: it cancels, archives or deletes it.

    It takes back what an action made, and it is what a declaration may want for a record whose row was deleted here.
    Sending it twice changes nothing. Nothing takes it back.

    Attributes:
        called: What staff call it.
        root: The mutation.
        id_argument: Its argument that takes the id.
        selection: What is asked for of its payload.
        input: Its `input`, as GraphQL type and value; None: it has none.
        has_ended: Whether a record that Gazelle still shows has ended.
        may_end: Whether it still can: a visit that took place is not cancelled any more.
        member: Of the mutation's payload: the record as it is now, where it is of interest.
        parse: That record's body and its id → the record.
    """

    called: Message
    root: str
    id_argument: str = "id"
    selection: str = "isDeleted"
    input: tuple[str, JsonValue] | None = None
    has_ended: Callable[[Remote], bool] = lambda _: False
    may_end: Callable[[Remote], bool] = lambda _: True
    member: str | None = None
    parse: Callable[[Any, str], Remote] | None = None

    def mutation(self, action: Action, remote: Remote) -> Query:
        """The field of the document."""
        arguments: dict[str, tuple[str, JsonValue]] = {self.id_argument: ("String!", action.payload["id"])}
        return Query(self.root, arguments | ({"input": self.input} if self.input else {}), self.selection)

    def sent(self, payload: Mapping[str, Any], remote: Remote) -> Sent:
        """What the mutation's payload says: that it refuses nothing is enough, where nothing more is of interest.

        Raises:
            AnswerUnreadable: Whether it was done is not known.
        """
        if self.member is None or self.parse is None:
            return Sent({name: value for name, value in payload.items() if name != "mutationErrors"})
        after = self.parse(member(payload, self.root, self.member), remote.id)
        return Sent({self.member: after.as_before()}, after=after)


@dataclass(frozen=True)
class Create:
    """An action that makes something. Sending it twice makes two, so it is looked for before it is sent again.

    Attributes:
        called: What staff call it.
        root: The mutation.
        arguments: Payload and record → its arguments. It may raise `WriteRefused`.
        member: Of the mutation's payload: what was made.
        selection: What is asked for of it.
        collection: Where it is found again, of `Remote.items`.
        same: Item's values, payload → whether the item may be what the action made.
        deletion: What takes it back; None: nothing does, and somebody has to do that at Gazelle.
        rest: Id and payload → method, path and body of the REST endpoint; None: there is none.
        makes_record: Whether it makes the record itself.
        parse: The body of that record and its id → the record, where it is of interest what was made.
        is_dated: Whether it is looked for from an instant on.
    """

    called: Message
    root: str
    arguments: Callable[[Values, Remote], dict[str, tuple[str, JsonValue]]]
    member: str
    selection: str
    collection: str
    same: Callable[[Values, Values], bool]
    deletion: Ending | None = None
    rest: Callable[[str, Values], tuple[str, str, dict[str, JsonValue]]] | None = None
    makes_record: bool = False
    is_dated: bool = True
    parse: Callable[[Any, str], Remote] | None = None

    def mutation(self, action: Action, remote: Remote) -> Query:
        """The field of the document."""
        return Query(self.root, self.arguments(action.payload, remote), f"{self.member} {{ {self.selection} }}")

    def sent(self, payload: Mapping[str, Any], remote: Remote) -> Sent:
        """What the mutation's payload says; see `Update.sent`."""
        made = member(payload, self.root, self.member)
        after = self.parse(made, str(made["id"])) if self.parse else None
        return Sent({self.member: made}, created_id=str(made["id"]), after=after)

    def found(self, remote: Remote, payload: Values) -> list[Item]:
        """What the action may have made, among what belongs to a record."""
        return [item for item in remote.items.get(self.collection, ()) if self.same(item.values, payload)]

    def made_id(self, response: Values) -> str | None:
        """Under which id Gazelle deletes it; None where the answer did not say."""
        for name in (self.member, "comment"):
            made = response.get(name)
            if isinstance(made, dict) and made.get("id"):
                return str(made["id"])
        return None


Operation = Update | Create | Ending


class Kind(Protocol):
    """A kind of record at Gazelle: how it is read, and what each action on it comes to.

    Attributes:
        operations: Name of an action → what it comes to.
    """

    operations: Mapping[str, Operation]

    def operation(self, name: str) -> Operation:
        """What an action comes to: what puts an update back writes it, what puts a create back deletes it."""
        operation = self.operations[name.removeprefix(UNDO)]
        deletion = operation.deletion if isinstance(operation, Create) and name.startswith(UNDO) else None
        return deletion or operation

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """What is asked for to read a record; lists inside it by pages of a size."""

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """The record in the answers to its queries, by their places; None: Gazelle has none.

        Raises:
            AnswerUnreadable: A part that is written over is missing: absent is not empty.
        """

    def of_account(self, client: GazelleClient) -> Mapping[str, JsonValue]:
        """What it has to know of the account, asked once for a run; it stands among the answers about each record.

        Raises:
            ApiError: Gazelle cannot be asked at all.
        """
        return {}

    def holds(self, remote: Remote) -> dict[str, JsonValue]:
        """What a pull would bring of the record, as `Pushable.last_pull` says it; nothing: it is not followed."""
        return {}

    def kept(self, remote: Remote, fields: Sequence[object]) -> dict[str, JsonValue]:
        """What of the record is kept with the row: a column that is filled later is compared with it."""
        return {}


Pages = Callable[[str, Mapping[str, JsonValue]], dict[str, Any]]
"""Asks for another page of a list: name of an operation, its variables."""


def member(payload: Mapping[str, Any], operation: str, name: str) -> dict[str, Any]:
    """The record that a mutation made or changed.

    Raises:
        AnswerUnreadable: There is none: whether it was done is not known.
    """
    made = payload.get(name)
    if not isinstance(made, dict) or not made.get("id"):
        raise lacks(operation, name)
    return made


def body_of(body: object, record_id: str) -> dict[str, Any]:
    """A record's body, where it is the one that was asked for.

    Raises:
        AnswerUnreadable: It is another record's, or none.
    """
    if not isinstance(body, dict) or body.get("id") != record_id:
        said = gettext("asked for {id}, Gazelle answered with another record", id=record_id)
        raise AnswerUnreadable("PushRead", said)
    return body


def lacks(operation: str, name: str, record: str | None = None) -> AnswerUnreadable:
    """The error for an answer without a field that was asked for, of a record or as a whole."""
    said = gettext("the answer holds no {name}", name=name)
    return AnswerUnreadable(operation, f"{record}: {said}" if record else said)
