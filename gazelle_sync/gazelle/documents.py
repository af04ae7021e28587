"""The GraphQL documents that are sent: those of the `.graphql` files, and queries built from their fragments.

Many records by id, or many counts, are read in one request as aliases of one field, so that a tick needs few requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gazelle_sync.entities import Entity

DIRECTORY = Path(__file__).parent / "operations"


@cache
def document(entity_name: str) -> str:
    """The whole text of an entity's file."""
    return (DIRECTORY / f"{entity_name}.graphql").read_text(encoding="utf-8")


@cache
def operation(entity_name: str, name: str) -> str:
    """One named operation with the fragments that it uses.

    GraphQL refuses a document with unused fragments, so each operation is sent with only those that it uses.
    """
    definitions = _definitions(document(entity_name))
    body = definitions[name]
    return "\n".join([body, *(definitions[used] for used in _fragments_used(body, definitions))])


@cache
def with_nested_pages(text: str, size: int) -> str:
    """The document with another page size for lists inside records; unchanged where it has no such list."""
    return _NESTED_SIZE.sub(f"first: {size}", text)


@cache
def operation_names(entity_name: str) -> list[str]:
    """The names of the operations in an entity's file."""
    return [name for name, text in _definitions(document(entity_name)).items() if not text.startswith("fragment")]


class Selection(NamedTuple):
    """The fields that a GraphQL selection requests of a record.

    Attributes:
        fields: The response keys that an answer must contain.
        inside: The keys whose values are records or lists of records, with the selection for these.
        never_null: Keys whose value must not be null (a null there means that the answer is wrong).
    """

    fields: frozenset[str]
    inside: tuple[tuple[str, Selection], ...]
    never_null: frozenset[str]


@cache
def selection_of(entity_name: str, fragment: str, never_null: frozenset[str] = frozenset()) -> Selection:
    """The selection of a fragment. `never_null` names fields, at any depth, that must not be null."""
    return _selection(fragment, _definitions(document(entity_name)), never_null)


def aliased(kind: str, name: str, fields: Sequence[tuple[str, AliasedField]]) -> tuple[str, dict[str, Any]]:
    """A document of the push with several root fields, and its variables.

    Args:
        kind: `query` or `mutation`.
        name: Of the operation.
        fields: Alias (a letter and a number) and field. Those of a mutation whose letter is `m` are asked for what is
            wrong with them.
    """
    types: dict[str, str] = {}
    values: dict[str, Any] = {}
    lines = []
    for alias, field in fields:
        suffix = alias[1:] + (alias[0] if alias[0] not in "nmb" else "")
        given = []
        for argument, (type_name, value) in field.arguments.items():
            variable = "nothing" if value == {} else f"{argument}{suffix}"
            types[variable], values[variable] = type_name, value
            given.append(f"{argument}: ${variable}")
        wrong = " mutationErrors { ...Refusal }" if kind == "mutation" and alias[0] == "m" else ""
        arguments = f"({', '.join(given)})" if given else ""
        lines.append(f"  {alias}: {field.root}{arguments} {{ {field.selection}{wrong} }}")
    declared = ", ".join(f"${variable}: {type_name}" for variable, type_name in types.items())
    head = f"{kind} {name}({declared})" if declared else f"{kind} {name}"
    text = "\n".join([f"{head} {{", *lines, "}"])
    definitions = _definitions(document("push"))
    return "\n".join([text, *(definitions[used] for used in _fragments_used(text, definitions))]), values


class AliasedField(Protocol):
    """A root field of such a document: its name, its arguments (name → GraphQL type and value), its selection."""

    @property
    def root(self) -> str: ...  # noqa: D102
    @property
    def arguments(self) -> Mapping[str, tuple[str, Any]]: ...  # noqa: D102
    @property
    def selection(self) -> str: ...  # noqa: D102


@cache
def _by_ids_text(entity_name: str, by_id: str, fragment: str, count: int) -> str:
    definitions = _definitions(document(entity_name))
    spread = f"...{fragment}"
    variables = ", ".join(f"$id{n}: String!" for n in range(count))
    fields = "\n".join(f"  n{n}: {by_id.replace('$id', f'$id{n}')} {{ {spread} }}" for n in range(count))
    query = f"query {entity_name.capitalize()}ById({variables}) {{\n{fields}\n}}"
    return "\n".join([query, *(definitions[used] for used in _fragments_used(query, definitions))])


def by_ids(entity: Entity, ids: list[str]) -> tuple[str, dict[str, str]]:
    """A query that reads records by id, with aliases `n0`, `n1`, …, and its variables.

    Raises:
        ValueError: The entity has no by-id query.
    """
    if entity.by_id is None:
        raise ValueError(f"{entity.name} cannot be read by id")
    text = _by_ids_text(entity.name, entity.by_id, entity.body_fragment, len(ids))
    return text, {f"id{n}": external_id for n, external_id in enumerate(ids)}


TIMELINE_COUNT = "query TimelineCount { allTimelineEntries { totalCount } }"


@cache
def timeline_tick(count: int) -> str:
    """The page of recent entries and, in the same request, how many there are: all (`whole`), and from instants on."""
    page = operation("timeline", "TimelinePage")
    fields = ["  whole: allTimelineEntries { totalCount }", *_count_fields(count), "  allTimelineEntries("]
    return page.replace("query TimelinePage(\n", f"query TimelineTick(\n  {_count_variables(count)}\n").replace(
        "  allTimelineEntries(", "\n".join(fields), 1
    )


@cache
def timeline_counts(count: int) -> str:
    """A query for `totalCount` from each of several instants, with aliases `c0`, `c1`, … (`$from0`, `$from1`, …).

    An instant that is not given is no bound.
    """
    return "\n".join([f"query TimelineCounts({_count_variables(count)}) {{", *_count_fields(count), "}"])


def _count_variables(count: int) -> str:
    return ", ".join(f"$from{n}: CoreDateTime" for n in range(count))


def _count_fields(count: int) -> list[str]:
    return [f"  c{n}: allTimelineEntries(occurredAtGet: $from{n}) {{ totalCount }}" for n in range(count)]


_NESTED_SIZE = re.compile(r"\bfirst: \d+\b")
_WORD = re.compile(r"#[^\n]*|\([^()]*\)|\.\.\.\s*\w+|\w+|[{}]")
_NAME = re.compile(r"^(?:query|mutation|fragment)\s+(\w+)", re.MULTILINE)
_SPREAD = re.compile(r"\.\.\.\s*(\w+)")


@cache
def _definitions(text: str) -> dict[str, str]:
    """Name → text of each operation and fragment; each begins at the start of a line."""
    starts = [(match.start(), match.group(1)) for match in _NAME.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {name: text[start:end].strip() for (start, name), end in zip(starts, ends, strict=True)}


def _selection(fragment: str, definitions: dict[str, str], never_null: frozenset[str]) -> Selection:
    text = definitions[fragment]
    return _selection_until_brace(iter(_WORD.findall(text, text.index("{") + 1)), definitions, never_null)


def _selection_until_brace(words: Iterator[str], definitions: dict[str, str], never_null: frozenset[str]) -> Selection:
    fields: set[str] = set()
    inside: dict[str, Selection] = {}
    last = ""
    for word in words:
        if word == "}":
            break
        if word == "{":
            inside[last] = _selection_until_brace(words, definitions, never_null)
        elif word.startswith("..."):
            spread = _selection(word.removeprefix("...").strip(), definitions, never_null)
            fields |= spread.fields
            inside |= dict(spread.inside)
        elif not word.startswith(("(", "#")):
            fields.add(word)
            last = word
    return Selection(frozenset(fields), tuple(inside.items()), never_null & fields)


def _fragments_used(text: str, definitions: dict[str, str]) -> list[str]:
    """Names of the fragments that a text uses, directly or not, in order of first use."""
    used: list[str] = []
    todo = _SPREAD.findall(text)
    while todo:
        name = todo.pop(0)
        if name == "on" or name in used:
            continue
        used.append(name)
        todo.extend(_SPREAD.findall(definitions[name]))
    return used
