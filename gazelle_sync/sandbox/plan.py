"""Plans: what a GraphQL selection takes from a stored record, worked out once and then followed record by record.

graphql-core parses, validates, coerces values and collects fields. Its executor is not used: it costs some ten
microseconds a field, which would make the sandbox the slowest part of every measurement.

The rules of null are GraphQL's: a null where none is allowed goes up to the nearest field that may be null, and leaves
an error with its path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    parse,
    print_ast,
    validate,
)
from graphql.execution.collect_fields import collect_sub_fields
from graphql.execution.values import get_argument_values

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.pages import cut
from gazelle_sync.sandbox.resolvers import Resolver, resolver_of
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store

Path = tuple["Path | None", "str | int"]
"""Where a value stands in the answer: the path of what holds it, and its key or position there."""


class Field(NamedTuple):
    """One field of a plan.

    Attributes:
        key: Its name in the answer.
        name: Its name in the type that has it.
        of_type: Name of its own type, without list and non-null.
        required: Whether it must not be null.
        rows_required: Whether the rows of its list must not be null.
        resolve: Where its value comes from; None: from the record, under `name`.
        below: The plan for its value, or for each row of it; None: the value is sent as it is.
    """

    key: str
    name: str
    of_type: str
    required: bool
    rows_required: bool
    resolve: Resolver | None
    arguments: dict[str, Json]
    below: Plan | None


class Plan(NamedTuple):
    """The fields of one selection.

    Attributes:
        of_type: Name of the type that has them.
        names: Key and name of each, in the order of the answer.
        derived: Those whose value is not just what the record holds.
        required: Keys of those that must not be null.
    """

    of_type: str
    names: list[tuple[str, str]]
    derived: list[Field]
    required: list[str]


class NullRefused(Exception):
    """A field that must not be null is."""


@dataclass
class Document:
    """A valid document.

    Attributes:
        node: Its syntax tree.
        operations: By name.
        fragments: By name.
        plans: Plans by the nodes that they were made from. They serve every request with this document, unless
            variables have a say in them.
    """

    node: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    plans: dict[tuple[int, ...], Plan] | None = None

    @classmethod
    def read(cls, schema: GraphQLSchema, text: str) -> Document | list[GraphQLError]:
        """Parse and validate a document, or say what is wrong with it."""
        try:
            node = parse(text)
        except GraphQLSyntaxError as problem:
            return [problem]
        errors = validate(schema, node)
        if errors:
            return errors
        operations = [part for part in node.definitions if isinstance(part, OperationDefinitionNode)]
        fragments = [part for part in node.definitions if isinstance(part, FragmentDefinitionNode)]
        roots = [root for operation in operations for root in operation.selection_set.selections]
        below = [root.selection_set if isinstance(root, FieldNode) else root for root in roots]
        has_variables = any("$" in print_ast(part) for part in (*below, *fragments) if part is not None)
        return cls(
            node=node,
            operations={operation.name.value if operation.name else "": operation for operation in operations},
            fragments={fragment.name.value: fragment for fragment in fragments},
            plans=None if has_variables else {},
        )

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run.

        Raises:
            GraphQLError: There is none of that name, or no name where there are several.
        """
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        if name is None or name not in self.operations:
            raise GraphQLError(f"No operation named {name!r}" if name else "An operation name is required")
        return self.operations[name]


class Planner:
    """Plans the fields of one request."""

    def __init__(
        self, schema: GraphQLSchema, settings: Settings, document: Document, variables: dict[str, Json]
    ) -> None:
        self._schema = schema
        self._settings = settings
        self._fragments = document.fragments
        self._variables = variables
        self._plans = {} if document.plans is None else document.plans

    def field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Field:
        """Plan one field, and what is below it.

        Raises:
            GraphQLError: An argument does not fit.
        """
        name = nodes[0].name.value
        if name == "__typename":
            return Field(key, name, "String", True, False, lambda *_: parent.name, {}, None)
        definition = parent.fields[name]
        kind, nullable = get_named_type(definition.type), get_nullable_type(definition.type)
        resolve = resolver_of(parent.name, name, kind.name)
        if resolve is not None and kind.name.endswith("Connection"):
            resolve = self._paged(resolve)
        return Field(
            key=key,
            name=name,
            of_type=kind.name,
            required=is_non_null_type(definition.type),
            rows_required=is_list_type(nullable) and is_non_null_type(nullable.of_type),
            resolve=resolve,
            arguments=get_argument_values(definition, nodes[0], self._variables),
            below=self._below(kind, nodes),
        )

    def _below(self, kind: GraphQLOutputType, nodes: list[FieldNode]) -> Plan | None:
        if not isinstance(kind, GraphQLObjectType):
            return None
        made_from = tuple(map(id, nodes))
        if made_from not in self._plans:
            fields = collect_sub_fields(self._schema, self._fragments, self._variables, kind, nodes)
            planned = [self.field(kind, key, same) for key, same in fields.items()]
            self._plans[made_from] = Plan(
                of_type=kind.name,
                names=[(field.key, field.name) for field in planned],
                derived=[field for field in planned if field.resolve is not None or field.below is not None],
                required=[field.key for field in planned if field.required],
            )
        return self._plans[made_from]

    def _paged(self, resolve: Resolver) -> Resolver:
        return lambda store, record, arguments: cut(resolve(store, record, arguments), arguments, self._settings)


@dataclass
class Reader:
    """Follows plans over stored records.

    Attributes:
        errors: GraphQL errors as they are sent.
    """

    store: Store
    errors: list[Record] = field(default_factory=list)

    def value(self, planned: Field, value: Json, path: Path) -> Json:
        """What a field's value looks like in the answer.

        Raises:
            NullRefused: It would hold a null where none is allowed; the error is noted.
        """
        if planned.below is None:
            return value
        if not isinstance(value, list):
            return self._object(planned.below, value, path)
        rows: list[Json] = []
        for place, row in enumerate(value):
            try:
                rows.append(self._object(planned.below, row, (path, place)))
            except NullRefused:
                if planned.rows_required:
                    raise
                rows.append(None)
        return rows

    def _object(self, plan: Plan, record: Record, path: Path) -> Record:
        get = record.get
        found = {key: get(name) for key, name in plan.names}
        for planned in plan.derived:
            key, resolve = planned.key, planned.resolve
            value = found[key] if resolve is None else resolve(self.store, record, planned.arguments)
            if value is not None and planned.below is not None:
                try:
                    value = self.value(planned, value, (path, key))
                except NullRefused:
                    if planned.required:
                        raise
                    value = None
            found[key] = value
        for key in plan.required:
            if found[key] is None:
                message = f"Cannot return null for non-nullable field {plan.of_type}.{key}."
                self.errors.append({"message": message, "path": _keys((path, key))})
                raise NullRefused
        return found


def _keys(path: Path | None) -> list[str | int]:
    keys: list[str | int] = []
    while path is not None:
        path, key = path
        keys.insert(0, key)
    return keys
