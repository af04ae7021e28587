"""GraphQL documents: parsed, validated and remembered, with their selections flattened.

A document that comes again (most do: clients send a handful) costs neither parsing nor validation again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    parse,
    validate,
)
from graphql.execution.values import get_directive_values

from gazelle_sync.sandbox.encoding import Json

Fields = dict[str, list[FieldNode]]
"""Response key → the field nodes that ask for it."""

_REMEMBERED = 256


@dataclass
class Document:
    """A valid document.

    Attributes:
        text: As it came.
        node: Its syntax tree.
        operations: By name.
        fragments: By name.
        constant: Whether the selections below the root fields hold no variable, so that what was compiled for one
            request serves the next.
        plans: What was compiled, by the selection it was compiled from.
    """

    text: str
    node: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    fragments: dict[str, FragmentDefinitionNode]
    constant: bool
    plans: dict[Json, Json] = field(default_factory=dict)

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


class Documents:
    """The documents that were sent lately, for one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._known: OrderedDict[str, Document] = OrderedDict()

    def read(self, text: str) -> Document | list[GraphQLError]:
        """Parse and validate a document, or say what is wrong with it."""
        document = self._known.get(text)
        if document is not None:
            self._known.move_to_end(text)
            return document
        try:
            node = parse(text, no_location=False)
        except GraphQLSyntaxError as problem:
            return [problem]
        errors = validate(self._schema, node)
        if errors:
            return errors
        operations = [part for part in node.definitions if isinstance(part, OperationDefinitionNode)]
        fragments = [part for part in node.definitions if isinstance(part, FragmentDefinitionNode)]
        roots = [selection for operation in operations for selection in operation.selection_set.selections]
        below = [getattr(root, "selection_set", None) for root in roots if isinstance(root, FieldNode)]
        inline = [root for root in roots if not isinstance(root, FieldNode)]
        document = self._known[text] = Document(
            text=text,
            node=node,
            operations={operation.name.value if operation.name else "": operation for operation in operations},
            fragments={fragment.name.value: fragment for fragment in fragments},
            constant=not any(map(_holds_variable, (*below, *inline, *fragments))),
        )
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return document


def flatten(
    document: Document, of_type: GraphQLObjectType, selections: list[SelectionSetNode], variables: dict[str, Json]
) -> Fields:
    """The fields that some selection sets ask for, fragments spread and directives obeyed."""
    found: Fields = {}
    spread: set[str] = set()

    def walk(selection_set: SelectionSetNode) -> None:
        for selection in selection_set.selections:
            if selection.directives and not _included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                fragment = document.fragments[name]
                if name not in spread and fragment.type_condition.name.value == of_type.name:
                    spread.add(name)
                    walk(fragment.selection_set)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                if condition is None or condition.name.value == of_type.name:
                    walk(selection.selection_set)

    for selection_set in selections:
        walk(selection_set)
    return found


def _included(node: Node, variables: dict[str, Json]) -> bool:
    skip = get_directive_values(GraphQLSkipDirective, node, variables)  # type: ignore[arg-type]
    if skip is not None and skip["if"]:
        return False
    include = get_directive_values(GraphQLIncludeDirective, node, variables)  # type: ignore[arg-type]
    return include is None or bool(include["if"])


def _holds_variable(node: Node | None) -> bool:
    if node is None:
        return False
    if isinstance(node, VariableNode):
        return True
    if isinstance(node, FieldNode | DirectiveNode):
        values = [argument.value for argument in node.arguments]
        if any(_holds_variable(value) for value in values):
            return True
    inside = [
        *(getattr(node, "directives", None) or ()),
        *(getattr(node, "fields", None) or ()),
        *(getattr(node, "values", None) or ()),
        *(getattr(getattr(node, "selection_set", None), "selections", None) or ()),
        *(getattr(node, "selections", None) or ()),
    ]
    value = getattr(node, "value", None)
    if isinstance(value, Node):
        inside.append(value)
    return any(_holds_variable(part) for part in inside)
