"""Selections compiled to plain functions over stored records.

graphql-core's executor costs about ten microseconds a field, which would make the sandbox the slowest part of every
measurement. A selection set becomes one function instead, that builds its object with a handful of dictionary look-ups.
The rules of null stay GraphQL's: a null where none is allowed goes up to the nearest field that may be null, and leaves
an error with its path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    is_leaf_type,
)
from graphql.execution.values import get_argument_values

from gazelle_sync.sandbox.documents import Document, Fields, flatten
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.pages import Page, Refused, Rows, cursor, cut
from gazelle_sync.sandbox.resolvers import RESOLVERS
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store

Projection = Callable[[Json], Json]


class NullRefused(Exception):
    """A field that must not be null is."""


@dataclass
class Trail:
    """Where the projection is, and what went wrong on the way: one for all requests, which are served one at a time.

    Attributes:
        path: Response keys and list positions from the root to here.
        errors: GraphQL errors as they are sent.
    """

    path: list[str | int] = field(default_factory=list)
    errors: list[Record] = field(default_factory=list)

    def report(self, message: str, *below: str | int) -> None:
        """Leave an error here, or at a field below."""
        self.errors.append({"message": message, "path": [*self.path, *below]})


@dataclass
class Compiler:
    """Compiles the selections of one request.

    Attributes:
        document: The document that they are written in.
        variables: Coerced.
        plans: What was compiled already, for this request or for every request with this document.
        page_info: The type of that name.
    """

    store: Store
    settings: Settings
    trail: Trail
    document: Document
    variables: dict[str, Json]
    plans: dict[Json, Json]
    page_info: GraphQLObjectType

    def value(self, of_type: GraphQLOutputType, nodes: list[FieldNode]) -> Projection:
        """The function that completes a field's value: what was resolved in, what is sent out."""
        if isinstance(of_type, GraphQLNonNull):
            return self.value(of_type.of_type, nodes)
        if _holds_leaves(of_type):
            return lambda value: value
        if isinstance(of_type, GraphQLList):
            return self._list(of_type, nodes)
        if not isinstance(of_type, GraphQLObjectType):
            raise Refused(f"The sandbox does not know how to answer with {of_type}.")
        selections = [node.selection_set for node in nodes if node.selection_set is not None]
        fields = flatten(self.document, of_type, selections, self.variables)
        if of_type.name.endswith("Connection"):
            return self._connection(of_type, fields)
        key = (of_type.name, *((alias, *map(id, same)) for alias, same in fields.items()))
        known: Projection | None = self.plans.get(key)
        if known is None:
            known = self.plans[key] = self._object(of_type, fields)
        return known

    def arguments(self, definition: GraphQLField, node: FieldNode) -> dict[str, Json]:
        """The coerced arguments of a field."""
        return get_argument_values(definition, node, self.variables)

    def _object(self, of_type: GraphQLObjectType, fields: Fields) -> Projection:
        template: Record = {}
        stored: list[tuple[str, str]] = []
        resolved: list[tuple[str, Projection, bool]] = []
        required: list[str] = []
        for alias, nodes in fields.items():
            name = nodes[0].name.value
            template[alias] = of_type.name if name == "__typename" else None
            if name == "__typename":
                continue
            definition = of_type.fields[name]
            must = isinstance(definition.type, GraphQLNonNull)
            if must:
                required.append(alias)
            if (of_type.name, name) not in RESOLVERS and _holds_leaves(definition.type):
                stored.append((alias, name))
            else:
                resolved.append((alias, self._field(of_type, definition, nodes), must))
        return _projection(of_type.name, template, stored, resolved, required, self.trail)

    def _field(self, of_type: GraphQLObjectType, definition: GraphQLField, nodes: list[FieldNode]) -> Projection:
        """The function that takes a record to one field of its projection."""
        name = nodes[0].name.value
        arguments = self.arguments(definition, nodes[0])
        resolver = RESOLVERS.get((of_type.name, name))
        complete = self.value(definition.type, nodes)
        store, settings = self.store, self.settings
        if resolver is None:
            return lambda record: None if (value := record.get(name)) is None else complete(value)
        resolve = resolver
        if is_connection(definition.type):

            def connection(record: Record) -> Json:
                rows: Rows = resolve(store, record, arguments)
                return complete(cut(rows, arguments, settings))

            return connection
        if _is_shared(definition.type):
            complete = self._remembering(complete)
        return lambda record: None if (value := resolve(store, record, arguments)) is None else complete(value)

    def _remembering(self, complete: Projection) -> Projection:
        """A projection that is worked out once a record, for as long as nothing changes."""
        store, errors = self.store, self.trail.errors
        known: dict[str, Json] = {}
        version = store.version

        def project(record: Record) -> Json:
            nonlocal version
            if version != store.version:
                known.clear()
                version = store.version
            found = known.get(record["id"])
            if found is None:
                before = len(errors)
                found = complete(record)
                if len(errors) == before:
                    known[record["id"]] = found
            return found

        return project

    def _connection(self, of_type: GraphQLObjectType, fields: Fields) -> Projection:
        steps: list[tuple[str, Projection]] = []
        for alias, nodes in fields.items():
            name = nodes[0].name.value
            if name == "__typename":
                steps.append((alias, lambda _: of_type.name))
            elif name == "pageInfo":
                steps.append((alias, self._page_info(nodes)))
            else:
                steps.append((alias, _CONNECTION_FIELDS[name](self.value(of_type.fields[name].type, nodes))))
        path = self.trail.path

        def project(page: Page) -> Record:
            out: Record = {}
            for alias, step in steps:
                path.append(alias)
                out[alias] = step(page)
                path.pop()
            return out

        return project

    def _page_info(self, nodes: list[FieldNode]) -> Projection:
        """As any object, but cursors nobody asked for are not made: most connections are nested and short."""
        selections = [node.selection_set for node in nodes if node.selection_set is not None]
        fields = flatten(self.document, self.page_info, selections, self.variables)
        steps = [(alias, _PAGE_INFO_FIELDS[same[0].name.value]) for alias, same in fields.items()]
        return lambda page: {alias: step(page) for alias, step in steps}

    def _list(self, of_type: GraphQLList[Json], nodes: list[FieldNode]) -> Projection:
        may_be_null = not isinstance(of_type.of_type, GraphQLNonNull)
        complete = self.value(of_type.of_type, nodes)
        path = self.trail.path

        def project(rows: list[Record]) -> list[Json]:
            out: list[Json] = []
            depth = len(path)
            path.append(0)
            for place, row in enumerate(rows):
                path[depth] = place
                try:
                    out.append(complete(row))
                except NullRefused:
                    if not may_be_null:
                        raise
                    del path[depth + 1 :]
                    out.append(None)
            path.pop()
            return out

        return project


def is_connection(of_type: GraphQLOutputType) -> bool:
    """Whether a field of this type is a Relay connection."""
    named = of_type.of_type if isinstance(of_type, GraphQLNonNull) else of_type
    return isinstance(named, GraphQLObjectType) and named.name.endswith("Connection")


_CONNECTION_FIELDS: dict[str, Callable[[Projection], Projection]] = {
    "nodes": lambda complete: lambda page: complete(page.nodes),
    "edges": lambda complete: lambda page: complete(page.edges),
    "totalCount": lambda _: lambda page: page.total,
}


_PAGE_INFO_FIELDS: dict[str, Projection] = {
    "startCursor": lambda page: cursor(page.start) if page.nodes else None,
    "endCursor": lambda page: cursor(page.end - 1) if page.nodes else None,
    "hasNextPage": lambda page: page.end < page.total,
    "hasPreviousPage": lambda page: page.start > 0,
    "__typename": lambda _: "PageInfo",
}
_SHARED = {
    "PrivateUser",
    "PrivateClient",
    "PrivatePiano",
    "PrivateMasterServiceItem",
    "CoreLocalization",
    "CoreCurrency",
}
"""Types of records that many others name."""


def _is_shared(of_type: GraphQLOutputType) -> bool:
    named = of_type.of_type if isinstance(of_type, GraphQLNonNull) else of_type
    return isinstance(named, GraphQLObjectType) and named.name in _SHARED


def _holds_leaves(of_type: GraphQLOutputType) -> bool:
    while isinstance(of_type, GraphQLNonNull | GraphQLList):
        of_type = of_type.of_type
    return is_leaf_type(of_type)


def _projection(
    type_name: str,
    template: Record,
    stored: list[tuple[str, str]],
    resolved: list[tuple[str, Projection, bool]],
    required: list[str],
    trail: Trail,
) -> Projection:
    path = trail.path
    if not resolved and len(stored) == len(template):
        return _plain_projection(type_name, stored, required, trail)

    def project(record: Record) -> Record:
        out = template.copy()
        get = record.get
        for alias, name in stored:
            out[alias] = get(name)
        depth = len(path)
        for alias, resolve, must in resolved:
            path.append(alias)
            try:
                out[alias] = resolve(record)
            except NullRefused:
                if must:
                    raise
            del path[depth:]
        for alias in required:
            if out[alias] is None:
                trail.report(f"Cannot return null for non-nullable field {type_name}.{alias}.", alias)
                raise NullRefused
        return out

    return project


def _plain_projection(type_name: str, stored: list[tuple[str, str]], required: list[str], trail: Trail) -> Projection:
    """The commonest case: nothing but stored fields."""

    def project(record: Record) -> Record:
        get = record.get
        out = {alias: get(name) for alias, name in stored}
        for alias in required:
            if out[alias] is None:
                trail.report(f"Cannot return null for non-nullable field {type_name}.{alias}.", alias)
                raise NullRefused
        return out

    return project
