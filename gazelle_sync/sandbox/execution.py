"""Execution of a GraphQL request: from the body that came in to the object that goes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from pathlib import Path

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    print_ast,
    validate,
)

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.faults import Fault, carried_out, striking_alias
from gazelle_sync.sandbox.invoices import INVOICE_MUTATIONS
from gazelle_sync.sandbox.mutations import MUTATIONS, Writer, problem
from gazelle_sync.sandbox.pages import Page, Refused
from gazelle_sync.sandbox.plan import Plan, PlannedExecution, Plans, Request, field_resolver
from gazelle_sync.sandbox.resolvers import KIND_OF_TYPE
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.store import Store
from gazelle_sync.sandbox.visits import VISIT_MUTATIONS

SCHEMA_PATH = Path(__file__).with_name("schema.graphql")
_SORTS = "ClientSort|PianoSort|EventSort|InvoiceSort"
STAMP_FIELDS = {"id", "updatedAt", "__typename"}
_MUTATIONS = MUTATIONS | VISIT_MUTATIONS | INVOICE_MUTATIONS
_REMEMBERED = 256
"""Documents. Clients repeat a few: these are parsed and validated once."""


def schema_text(dialect: str) -> str:
    """The type definitions of a dialect: `published`, the older `seed`, or `live`.

    `schema.graphql` holds the published part that the project uses. Nothing is added to it by hand: `seed` is that text
    with a sort by `UPDATED_AT` and a filter `startGte`; `live`, with `taxPricingMode`, which production has since.
    """
    published = SCHEMA_PATH.read_text(encoding="utf-8")
    if dialect == "published":
        return published
    if dialect == "live":
        mode = "type PrivateInvoice {\n  taxPricingMode: String\n"
        return published.replace("type PrivateInvoice {\n", mode, 1)
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


@dataclass
class Document:
    """A valid document.

    Attributes:
        node: Its syntax tree.
        plans: For every request with it; None where variables have a say below its root fields.
    """

    node: DocumentNode
    plans: Plans | None

    @classmethod
    def read(cls, schema: GraphQLSchema, text: str) -> Document | list[GraphQLError]:
        """Parse and validate a document, or say what is wrong with it."""
        try:
            node = parse(text)
        except GraphQLSyntaxError as problem:
            return [problem]
        if errors := validate(schema, node):
            return errors
        fragments = [part for part in node.definitions if isinstance(part, FragmentDefinitionNode)]
        operations = [part for part in node.definitions if isinstance(part, OperationDefinitionNode)]
        roots = [root for operation in operations for root in operation.selection_set.selections]
        below = [root.selection_set if isinstance(root, FieldNode) else root for root in roots]
        has_variables = any("$" in print_ast(part) for part in (*below, *fragments) if part is not None)
        return cls(node, None if has_variables else {})


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
        name = request.get("operationName") or None
        operation = get_operation_ast(document.node, name)
        roots = () if operation is None else operation.selection_set.selections
        keys = list(dict.fromkeys(map(_key, roots)))
        served = Served({})
        if operation is not None:
            served.operation = operation.name.value if operation.name else "+".join(keys)
            served.mutated = operation.operation is OperationType.MUTATION
            limit = self._settings.max_root_fields
            if limit and len(keys) > limit:
                refusal = _refusal(f"Query has {len(keys)} root fields; at most {limit} are allowed", served.operation)
                return replace(refusal, status=self._settings.refusal_status)
        read = Request(self._store, self._settings, {} if document.plans is None else document.plans)
        read.left_out = set(keys) - {keys[place] for place in carried_out(faults, len(keys))}
        served.payload = dict(
            execute_sync(
                self._schema,
                document.node,
                context_value=read,
                variable_values=request.get("variables") or {},
                operation_name=name,
                field_resolver=partial(self._root_field, served, faults, keys),
                execution_context_class=PlannedExecution,
            ).formatted
        )
        for plan, value in read.read:
            _count(plan, value, served)
        return served

    def _root_field(
        self,
        served: Served,
        faults: Sequence[Fault],
        keys: list[str],
        _: None,
        info: GraphQLResolveInfo,
        **arguments: Json,
    ) -> Json:
        """What a root field gives.

        Raises:
            Refused: Nothing, and an error says why.
        """
        fault = striking_alias(faults, info.path.key, keys, arguments)
        message = "" if fault is None else fault.options.get("message", "Refused by the sandbox")
        if fault is not None and fault.kind == "alias_refused" and served.mutated:
            return _refused(message)
        value = None
        if fault is None or fault.options.get("done"):
            served.fields[info.field_name] += 1
            value = self._value(info.parent_type, info.field_name, arguments)
        if fault is not None:
            raise Refused(message)
        return value

    def _value(self, root: GraphQLObjectType, name: str, arguments: dict[str, Json]) -> Json:
        if root is not self._schema.mutation_type:
            resolve = field_resolver(root, name, self._settings)
            return None if resolve is None else resolve(self._store, {}, arguments)
        if self._settings.mutation_error:
            return _refused(self._settings.mutation_error)
        with self._store.transaction():
            return _MUTATIONS[name](self._writer, **arguments)


def _refusal(message: str, name: str = "") -> Served:
    return Served({"errors": [{"message": message}]}, name)


def _refused(message: str) -> Record:
    return {"mutationErrors": [problem("base", message)]}


def _key(root: SelectionNode) -> str:
    return (root.alias or root.name).value if isinstance(root, FieldNode) else print_ast(root)


def _count(plan: Plan, value: Json, served: Served) -> None:
    kind = KIND_OF_TYPE.get(plan.of_type.removesuffix("Connection"))
    asked = plan.asks()
    if kind is not None and asked:
        rows = value.nodes if isinstance(value, Page) else [value]
        (served.stamps if asked <= STAMP_FIELDS else served.bodies)[kind] += len(rows)
