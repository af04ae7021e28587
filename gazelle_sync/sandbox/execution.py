"""Execution of a GraphQL request: from the body that came in to the object that goes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from pathlib import Path

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    is_non_null_type,
)
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_variable_values

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.faults import Fault, carried_out, striking_alias
from gazelle_sync.sandbox.mutations import MUTATIONS, Writer, problem
from gazelle_sync.sandbox.pages import Refused
from gazelle_sync.sandbox.plan import Document, Field, NullRefused, Planner, Reader
from gazelle_sync.sandbox.resolvers import KIND_OF_TYPE
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store

SCHEMA_PATH = Path(__file__).with_name("schema.graphql")
_SORTS = "ClientSort|PianoSort|EventSort|InvoiceSort"
STAMP_FIELDS = {"id", "updatedAt", "__typename"}
_REMEMBERED = 256
"""Documents. Clients send a handful again and again: those cost neither parsing nor validation."""


def schema_text(dialect: str) -> str:
    """The type definitions of a dialect: `published`, or the older `seed`.

    `schema.graphql` holds the published part that the project uses. Nothing is added to it by hand: `seed` is that text
    with a sort by `UPDATED_AT` and a filter `startGte`.
    """
    published = SCHEMA_PATH.read_text(encoding="utf-8")
    if dialect == "published":
        return published
    text = re.sub(
        rf"^enum ({_SORTS}) {{$", r"\g<0>\n  UPDATED_AT_ASC\n  UPDATED_AT_DESC", published, flags=re.MULTILINE
    )
    return re.sub(r"^input PrivateAllEventsFilter {$", r"\g<0>\n  startGte: CoreDateTime", text, flags=re.MULTILINE)


@cache
def schema_for(dialect: str) -> GraphQLSchema:
    """The executable schema of a dialect."""
    return build_schema(schema_text(dialect), assume_valid=True, assume_valid_sdl=True)


@dataclass
class Served:
    """What a request was given.

    Attributes:
        payload: The response, ready to be encoded.
        operation: Its name, or its root fields where it had none.
        bodies: Records of which more than the stamp was sent, by kind.
        stamps: Records of which only the stamp was sent, by kind.
        fields: Root fields that were carried out, by name.
        mutated: Whether it was a mutation.
        status: HTTP status.
    """

    payload: Record
    operation: str = ""
    bodies: Counter[str] = field(default_factory=Counter)
    stamps: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    mutated: bool = False
    status: int = 200


class Engine:
    """Answers the GraphQL requests of one account in one dialect."""

    def __init__(self, store: Store, settings: Settings, dialect: str) -> None:
        self._store = store
        self._settings = settings
        self._schema = schema_for(dialect)
        self._document = lru_cache(_REMEMBERED)(lambda text: Document.read(self._schema, text))
        self._writer = Writer(store, settings)

    def serve(self, request: Record, faults: Sequence[Fault] = ()) -> Served:
        """Answer one request: `query`, `variables`, `operationName`; `faults`: of its root fields."""
        text = request.get("query")
        if not isinstance(text, str):
            return _refusal("No query string was present")
        document = self._document(text)
        if isinstance(document, list):
            return Served({"errors": [error.formatted for error in document]})
        try:
            operation = document.operation(request.get("operationName") or None)
        except GraphQLError as error:
            return Served({"errors": [error.formatted]})
        variables = get_variable_values(
            self._schema, operation.variable_definitions or (), request.get("variables") or {}
        )
        if isinstance(variables, list):
            return Served({"errors": [error.formatted for error in variables]})
        return self._run(document, operation, variables, faults)

    def _run(
        self,
        document: Document,
        operation: OperationDefinitionNode,
        variables: dict[str, Json],
        faults: Sequence[Fault],
    ) -> Served:
        mutates = operation.operation is OperationType.MUTATION
        root = self._schema.mutation_type if mutates else self._schema.query_type
        if root is None or operation.operation is OperationType.SUBSCRIPTION:
            return _refusal("Schema is not configured for subscriptions")
        fields = collect_fields(self._schema, document.fragments, variables, root, operation.selection_set)
        name = operation.name.value if operation.name else "+".join(fields)
        limit = self._settings.max_root_fields
        if limit and len(fields) > limit:
            refusal = _refusal(f"Query has {len(fields)} root fields; at most {limit} are allowed", name)
            return replace(refusal, status=self._settings.refusal_status)
        if any(nodes[0].name.value in ("__schema", "__type") for nodes in fields.values()):
            return self._introspect(document, operation, variables, name)
        served = Served({}, name, mutated=mutates)
        planner = Planner(self._schema, self._settings, document, variables)
        reader = Reader(self._store)
        data: Record = {}
        is_null = False
        carried = carried_out(faults, len(fields))
        for place, (key, nodes) in list(enumerate(fields.items()))[carried.start : carried.stop]:
            strike = partial(striking_alias, faults, place, len(fields))
            data[key] = self._root_field(planner, reader, root, key, nodes, served, strike)
            if data[key] is None and is_non_null_type(root.fields[nodes[0].name.value].type):
                is_null = True
                break
        served.payload = {"data": None if is_null else data}
        if reader.errors:
            served.payload["errors"] = reader.errors
        return served

    def _root_field(
        self,
        planner: Planner,
        reader: Reader,
        root: GraphQLObjectType,
        key: str,
        nodes: list[FieldNode],
        served: Served,
        strike: Callable[[Record], Fault | None],
    ) -> Json:
        try:
            field = planner.field(root, key, nodes)
            value = self._value(field, served, strike(field.arguments))
            return None if value is None else reader.value(field, value, (None, key))
        except NullRefused:
            return None
        except (Refused, GraphQLError) as refusal:
            reader.errors.append({"message": str(refusal), "path": [key]})
            return None

    def _value(self, field: Field, served: Served, fault: Fault | None) -> Json:
        """What a root field gives.

        Raises:
            Refused: Nothing, and an error says why.
        """
        message = "" if fault is None else fault.options.get("message", "Refused by the sandbox")
        if fault is not None and fault.kind == "alias_refused" and served.mutated:
            return _refused(message)
        value: Json = None
        if fault is None or fault.options.get("done"):
            served.fields[field.name] += 1
            if served.mutated and field.name in MUTATIONS:
                value = self._mutate(field)
            else:
                value = None if field.resolve is None else field.resolve(self._store, {}, field.arguments)
                _count(field, value, served)
        if fault is not None:
            raise Refused(message)
        return value

    def _mutate(self, field: Field) -> Record:
        if self._settings.mutation_error:
            return _refused(self._settings.mutation_error)
        with self._store.transaction():
            return MUTATIONS[field.name](self._writer, **field.arguments)

    def _introspect(
        self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Json], name: str
    ) -> Served:
        """Let graphql-core answer. It knows no records: what else is asked in the same request is null."""
        result = execute_sync(
            self._schema,
            document.node,
            variable_values=variables,
            operation_name=operation.name.value if operation.name else None,
            field_resolver=lambda *_, **__: None,
        )
        return Served(dict(result.formatted), name)


def _refusal(message: str, name: str = "") -> Served:
    return Served({"errors": [{"message": message}]}, name)


def _refused(message: str) -> Record:
    return {"mutationErrors": [problem("base", message)]}


def _count(field: Field, value: Json, served: Served) -> None:
    kind = KIND_OF_TYPE.get(field.of_type.removesuffix("Connection"))
    if kind is None or value is None:
        return
    asked = _asked(field)
    rows = value if isinstance(value, list) else getattr(value, "nodes", [value]) if asked else []
    (served.stamps if asked <= STAMP_FIELDS else served.bodies)[kind] += len(rows)


def _asked(field: Field) -> set[str]:
    """The names of the fields of a root field's records, through `nodes` and `edges`."""
    if field.below is None:
        return set()
    around = {"nodes", "edges", "node"}
    below = [_asked(part) for part in field.below.derived if part.name in around]
    return {name for _, name in field.below.names}.union(*below) - around - {"pageInfo", "totalCount", "cursor"}
