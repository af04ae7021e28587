"""What a GraphQL selection takes from a stored record, worked out once and then followed record by record.

graphql-core does the rest: it parses, validates, coerces values, runs the root fields, answers introspection and
collects errors. It needs some ten microseconds for each field of each record, though, which would make the sandbox the
slowest part of every measurement. So what is below a root field is read by a `Plan`.

The rules of null are GraphQL's: a null where none is allowed goes up to the nearest field that may be null, and leaves
an error with its path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from graphql import (
    ExecutionContext,
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    get_nullable_type,
    is_introspection_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, Undefined

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.pages import cut
from gazelle_sync.sandbox.resolvers import Resolver, resolver_of
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store


class Derived(NamedTuple):
    """A field whose value is not just what the record holds under its name.

    Attributes:
        key: Its name in the answer.
        name: Its name in the type that has it.
        resolve: Where its value comes from; None: from the record, under `name`.
        arguments: Of the resolver.
        below: The plan for its value, or for each row of it; None: the value is sent as it is.
        is_required: Whether it must not be null.
        rows_are_required: Whether the rows of its list must not be null.
    """

    key: str
    name: str
    resolve: Resolver | None
    arguments: dict[str, Json]
    below: Plan | None
    is_required: bool
    rows_are_required: bool


class Plan(NamedTuple):
    """The fields of one selection.

    Attributes:
        of_type: Name of the type that has them.
        stored: Key and name of each, in the order of the answer.
        derived: Those whose value is not just what the record holds.
        required: Keys of those that must not be null.
    """

    of_type: str
    stored: list[tuple[str, str]]
    derived: list[Derived]
    required: list[str]

    def asks(self) -> set[str]:
        """Names of the fields that are asked of each record, through the `nodes` and `edges` of a page."""
        around = {"nodes", "edges", "node"}
        below = [part.below.asks() for part in self.derived if part.name in around and part.below is not None]
        return {name for _, name in self.stored}.union(*below) - around - {"pageInfo", "totalCount", "cursor"}


Place = Path | tuple["Place", str | int]
"""Where a value stands in the answer: its root field, or the place of what holds it and its key or number there."""
Plans = dict[tuple[int, ...], Plan]
"""By the nodes of the document that they were made from."""


def field_resolver(parent: GraphQLObjectType, name: str, settings: Settings) -> Resolver | None:
    """Where a field gets its value from; of a connection, the page that its arguments ask for."""
    of_type = get_named_type(parent.fields[name].type).name
    resolve = resolver_of(parent.name, name, of_type)
    if resolve is None or not of_type.endswith("Connection"):
        return resolve
    return lambda store, record, arguments: cut(resolve(store, record, arguments), arguments, settings)


class PlannedExecution(ExecutionContext):
    """The execution of one request. Its `context_value` is a `Request`."""

    context_value: Request

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Json, field_nodes: list[FieldNode], path: Path
    ) -> Json:
        """One field of graphql-core's own: a root field, or introspection."""
        if path.prev is None and path.key in self.context_value.left_out:
            return Undefined
        return super().execute_field(parent_type, source, field_nodes, path)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_nodes: list[FieldNode],
        info: GraphQLResolveInfo,
        path: Path,
        result: Json,
    ) -> Json:
        """Read the value of a root field, or a row of it."""
        if is_introspection_type(return_type):
            return super().complete_object_value(return_type, field_nodes, info, path, result)
        plan = self._plan(return_type, field_nodes)
        self.context_value.read.append((plan, result))
        return self._object(plan, result, path)

    # ---- planning

    def _plan(self, of_type: GraphQLObjectType, nodes: list[FieldNode]) -> Plan:
        plans, made_from = self.context_value.plans, tuple(map(id, nodes))
        if made_from not in plans:
            found = Plan(of_type.name, [], [], [])
            for key, same in self.collect_subfields(of_type, nodes).items():
                name = same[0].name.value
                found.stored.append((key, name))
                self._add(found, of_type, key, same)
            plans[made_from] = found
        return plans[made_from]

    def _add(self, plan: Plan, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> None:
        name = nodes[0].name.value
        if name == "__typename":
            plan.derived.append(Derived(key, name, lambda *_: parent.name, {}, None, True, False))
            return
        definition = parent.fields[name]
        kind, nullable = get_named_type(definition.type), get_nullable_type(definition.type)
        resolve = field_resolver(parent, name, self.context_value.settings)
        is_required = is_non_null_type(definition.type)
        if is_required:
            plan.required.append(key)
        if resolve is None and not is_object_type(kind):
            return
        plan.derived.append(
            Derived(
                key,
                name,
                resolve,
                get_argument_values(definition, nodes[0], self.variable_values),
                self._plan(kind, nodes) if is_object_type(kind) else None,
                is_required,
                is_list_type(nullable) and is_non_null_type(nullable.of_type),
            )
        )

    # ---- reading

    def _object(self, plan: Plan, record: Record, place: Place) -> Record:
        get, store = record.get, self.context_value.store
        found = {key: get(name) for key, name in plan.stored}
        for part in plan.derived:
            key, resolve = part.key, part.resolve
            value = found[key] if resolve is None else resolve(store, record, part.arguments)
            if value is not None and part.below is not None:
                value = self._value(part, part.below, value, (place, key))
            found[key] = value
        for key in plan.required:
            if found[key] is None:
                message = f"Cannot return null for non-nullable field {plan.of_type}.{key}."
                raise GraphQLError(message, path=_keys((place, key)))
        return found

    def _value(self, part: Derived, plan: Plan, value: Json, place: Place) -> Json:
        try:
            if isinstance(value, list):
                return [self._row(part, plan, row, (place, number)) for number, row in enumerate(value)]
            return self._object(plan, value, place)
        except GraphQLError as error:
            self._nulled(error, is_required=part.is_required)
            return None

    def _row(self, part: Derived, plan: Plan, row: Record, place: Place) -> Record | None:
        try:
            return self._object(plan, row, place)
        except GraphQLError as error:
            self._nulled(error, is_required=part.rows_are_required)
            return None

    def _nulled(self, error: GraphQLError, *, is_required: bool) -> None:
        if is_required:
            raise error
        self.collected_errors.errors.append(error)


def _keys(place: Place) -> list[str | int]:
    keys: list[str | int] = []
    while isinstance(place, tuple) and not isinstance(place, Path):
        place, key = place
        keys.insert(0, key)
    return [*place.as_list(), *keys]


@dataclass
class Request:
    """One request on its way.

    Attributes:
        plans: Of its document; they serve every request with it, unless variables have a say in them.
        left_out: Keys of the root fields that are not carried out.
        read: The plan and the value of each root field, or of each row of it.
    """

    store: Store
    settings: Settings
    plans: Plans
    left_out: set[str] = field(default_factory=set)
    read: list[tuple[Plan, Json]] = field(default_factory=list)
