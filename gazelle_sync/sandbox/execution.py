"""Execution of a GraphQL request: from the body that came in to the object that goes out.

Root fields are resolved here; what is below them is `projection`'s. Introspection alone is left to graphql-core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
)
from graphql.execution.values import get_variable_values

from gazelle_sync.sandbox import resolvers
from gazelle_sync.sandbox.dialects import schema_for
from gazelle_sync.sandbox.documents import Document, Documents, flatten
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.listing import Listing
from gazelle_sync.sandbox.mutations import MUTATIONS, Desk, problem
from gazelle_sync.sandbox.pages import Refused, cut
from gazelle_sync.sandbox.projection import Compiler, NullRefused, Trail, is_connection
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store

LISTS = {"allClients": "clients", "allPianos": "pianos", "allEventsBatched": "events", "allInvoices": "invoices"}
KIND_OF_ROOT = LISTS | {
    "allEvents": "events",
    "allTimelineEntries": "timeline",
    "allUsers": "users",
    "allMasterServiceItems": "products",
    "client": "clients",
    "piano": "pianos",
    "event": "events",
    "invoice": "invoices",
    "user": "users",
    "contact": "contacts",
    "pianoMeasurement": "measurements",
}
STAMP_FIELDS = {"id", "updatedAt", "__typename"}


@dataclass
class Served:
    """What a request was given.

    Attributes:
        payload: The response, ready to be encoded.
        operation: Its name, or its root fields where it had none.
        bodies: Records of which more than the stamp was sent, by kind.
        stamps: Records of which only the stamp was sent, by kind.
        mutated: Whether it was a mutation.
    """

    payload: Record
    operation: str = ""
    bodies: Counter[str] = field(default_factory=Counter)
    stamps: Counter[str] = field(default_factory=Counter)
    mutated: bool = False


class Engine:
    """Answers the GraphQL requests of one account in one dialect."""

    def __init__(self, store: Store, settings: Settings, listing: Listing, dialect: str) -> None:
        self._store = store
        self._settings = settings
        self._listing = listing
        self._schema = schema_for(dialect)
        self._documents = Documents(self._schema)
        self._trail = Trail()
        page_info = self._schema.type_map["PageInfo"]
        if not isinstance(page_info, GraphQLObjectType):
            raise TypeError("PageInfo is an object type")
        self._page_info = page_info
        self._desk = Desk(store, settings)

    def serve(self, request: Record) -> Served:
        """Answer one request: `query`, `variables`, `operationName`."""
        text = request.get("query")
        if not isinstance(text, str):
            return Served({"errors": [{"message": "No query string was present"}]})
        document = self._documents.read(text)
        if isinstance(document, list):
            return Served({"errors": [error.formatted for error in document]})
        try:
            operation = document.operation(request.get("operationName") or None)
        except GraphQLError as problem:
            return Served({"errors": [problem.formatted]})
        variables = get_variable_values(
            self._schema, operation.variable_definitions or (), request.get("variables") or {}
        )
        if isinstance(variables, list):
            return Served({"errors": [error.formatted for error in variables]})
        return self._run(document, operation, variables)

    def _run(self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Json]) -> Served:
        mutates = operation.operation is OperationType.MUTATION
        root = self._schema.mutation_type if mutates else self._schema.query_type
        if root is None or operation.operation is OperationType.SUBSCRIPTION:
            return Served({"errors": [{"message": "Schema is not configured for subscriptions"}]})
        fields = flatten(document, root, [operation.selection_set], variables)
        name = operation.name.value if operation.name else "+".join(fields)
        limit = self._settings.max_root_fields
        if limit and len(fields) > limit:
            message = f"Query has {len(fields)} root fields; at most {limit} are allowed"
            return Served({"errors": [{"message": message}]}, name)
        served = Served({}, name, mutated=mutates)
        plans = document.plans if document.constant else {}
        compiler = Compiler(self._store, self._settings, self._trail, document, variables, plans, self._page_info)
        self._trail.errors.clear()
        self._trail.path.clear()
        data: Record = {}
        is_null = False
        introspected: Record | None = None
        for alias, nodes in fields.items():
            field_name = nodes[0].name.value
            if field_name == "__typename":
                data[alias] = root.name
            elif field_name.startswith("__"):
                introspected = introspected or self._introspect(document, operation, variables)
                data[alias] = introspected.get(alias)
            else:
                data[alias] = self._root_field(compiler, root, alias, nodes, served)
            definition = root.fields.get(field_name)
            if data[alias] is None and definition is not None and isinstance(definition.type, GraphQLNonNull):
                is_null = True
                break
        served.payload = {"data": None if is_null else data}
        if self._trail.errors:
            served.payload["errors"] = list(self._trail.errors)
        return served

    def _root_field(
        self, compiler: Compiler, root: GraphQLObjectType, alias: str, nodes: list[FieldNode], served: Served
    ) -> Json:
        name = nodes[0].name.value
        definition = root.fields[name]
        self._trail.path[:] = [alias]
        try:
            arguments = compiler.arguments(definition, nodes[0])
            complete = compiler.value(definition.type, nodes)
            value = self._mutate(name, arguments) if served.mutated else self._read(name, definition, arguments, nodes)
            if value is None:
                return None
            self._count(name, value, nodes, compiler, served)
            return complete(value)
        except NullRefused:
            return None
        except (Refused, GraphQLError) as refusal:
            self._trail.path[:] = [alias]
            self._trail.report(str(refusal))
            return None

    def _read(self, name: str, definition: GraphQLField, arguments: dict[str, Json], nodes: list[FieldNode]) -> Json:
        if is_connection(definition.type):
            if name == "allTimelineEntries":
                rows = self._listing.timeline(arguments)
            else:
                rows = self._listing.rows(LISTS[name], arguments.get("filters"), arguments.get("sortBy"))
            return cut(rows, arguments, self._settings, with_nodes=not _only_counts(nodes))
        return _ROOTS[name](self._store, self._listing, arguments)

    def _mutate(self, name: str, arguments: dict[str, Json]) -> Record:
        if self._settings.mutation_error:
            return {"mutationErrors": [problem("base", self._settings.mutation_error)]}
        with self._store.transaction():
            return MUTATIONS[name](self._desk, **arguments)

    def _count(self, name: str, value: Json, nodes: list[FieldNode], compiler: Compiler, served: Served) -> None:
        kind = KIND_OF_ROOT.get(name)
        if kind is None or served.mutated:
            return
        rows = getattr(value, "nodes", value)
        number = len(rows) if isinstance(rows, list) else 1
        selected = _selected(compiler.document, nodes)
        (served.stamps if selected <= STAMP_FIELDS else served.bodies)[kind] += number

    def _introspect(self, document: Document, operation: OperationDefinitionNode, variables: dict[str, Json]) -> Record:
        result = execute_sync(
            self._schema,
            document.node,
            root_value={},
            variable_values=variables,
            operation_name=operation.name.value if operation.name else None,
            field_resolver=lambda *_, **__: None,
        )
        if result.data is None:
            raise Refused("Introspection goes into a request of its own.")
        return result.data


def _only_counts(nodes: list[FieldNode]) -> bool:
    asked = [selection for node in nodes if node.selection_set for selection in node.selection_set.selections]
    return all(isinstance(part, FieldNode) and part.name.value in ("totalCount", "__typename") for part in asked)


def _selected(document: Document, nodes: list[FieldNode]) -> set[str]:
    """The names of the fields of a root field's records, through `nodes`, `edges` and fragments."""
    names: set[str] = set()
    waiting: list[Json] = [node.selection_set for node in nodes]
    while waiting:
        selection_set = waiting.pop()
        for selection in selection_set.selections if selection_set else ():
            if not isinstance(selection, FieldNode):
                fragment = document.fragments.get(selection.name.value) if hasattr(selection, "name") else selection
                waiting.append(getattr(fragment, "selection_set", None))
            elif selection.name.value in ("nodes", "edges", "node"):
                waiting.append(selection.selection_set)
            elif selection.name.value not in ("pageInfo", "totalCount", "cursor"):
                names.add(selection.name.value)
    return names


def _by_id(kind: str, *names: str) -> Callable[[Store, Listing, dict[str, Json]], Json]:
    def find(store: Store, _: Listing, arguments: dict[str, Json]) -> Record | None:
        return store.get(kind, next((arguments[name] for name in names if arguments.get(name)), None))

    return find


def _all(kind: str) -> Callable[[Store, Listing, dict[str, Json]], Json]:
    return lambda store, _, __: list(store.records(kind))


def _tags(kind: str) -> Callable[[Store, Listing, dict[str, Json]], Json]:
    return lambda store, _, __: sorted({tag for record in store.records(kind) for tag in record["tags"]})


def _events(_: Store, listing: Listing, arguments: dict[str, Json]) -> list[Record]:
    rows = listing.rows("events", arguments.get("filters"), arguments.get("sortBy"))
    return rows.cut(0, len(rows))


_ROOTS: dict[str, Callable[[Store, Listing, dict[str, Json]], Json]] = {
    "allUsers": _all("users"),
    "allMasterServiceItems": _all("products"),
    "allMasterServiceGroups": _all("product_groups"),
    "allTaxes": _all("taxes"),
    "allPastAndPresentTaxes": _all("taxes"),
    "allClientTags": _tags("clients"),
    "allPianoTags": _tags("pianos"),
    "allEvents": _events,
    "client": _by_id("clients", "id", "clientId"),
    "piano": _by_id("pianos", "id", "pianoId"),
    "event": _by_id("events", "eventId"),
    "invoice": _by_id("invoices", "id"),
    "contact": _by_id("contacts", "id"),
    "pianoMeasurement": _by_id("measurements", "id"),
    "user": lambda store, _, __: next(store.records("users"), None),
    "company": lambda _, __, ___: resolvers.COMPANY,
}
