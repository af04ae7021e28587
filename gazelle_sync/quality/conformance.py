"""Validates the operations that we send against Gazelle's schema, to find what is about to break before it does.

The schema is read by introspection, at most once a day except when a person runs the checks; the result is stored in
`system_settings`. Enums are compared with the values that our columns know (`gazelle_sync.quality.enums`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import AnswerUnreadable, GazelleSyncError, first_line
from gazelle_sync.gazelle import documents
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.quality.context import Check, CheckContext, warning
from gazelle_sync.quality.enums import ENUMS
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_setting, write_setting

if TYPE_CHECKING:
    from graphql import GraphQLSchema

SETTING = "api_schema"
CACHED_FOR = timedelta(hours=20)
"""Less than a day, so that a nightly run that begins a little early reads it again."""

VALID = Message("{checked} operations: Gazelle's schema knows every field, argument and value that they use.")
INVALID = Message("Gazelle's schema refuses {count} of {checked} operations: {what}.")
FIX = Message(
    "The next run that sends them fails. Adapt gazelle_sync/gazelle/operations and the reconciler, then `gazelle-sync "
    "sync --full`."
)
NOT_DEPRECATED = Message("{checked} operations: nothing that they use is about to disappear.")
DEPRECATED = Message("Gazelle announces that {count} things that we use will disappear: {what}.")
REPLACE = Message("Replace them in gazelle_sync/gazelle/operations while they still answer.")
SAME_VALUES = Message("{checked} enums: Gazelle's values are the ones that we know.")
NEW_VALUES = Message("Gazelle's schema has new values: {what}.")
LOST_ENUMS = Message("Gone from the schema: {what}.")
EXPECT = Message(
    "They will come in the data and be stored as they are. Decide what the shop's programs make of them, then add "
    "them to gazelle_sync/quality/enums.py."
)
REFUSED = Message(
    "Gazelle's schema cannot be read ({reason}), so it is not known whether our operations are still valid."
)
ASK_AGAIN = Message(
    "If Gazelle refuses introspection for good, compare with the schema that it publishes. Else look again: "
    "`gazelle-sync doctor`."
)


class SchemaComparison(msgspec.Struct):
    """The result of validating our operations against a schema.

    Attributes:
        url: Of the endpoint.
        operations: Digest of the operations and enums that were compared.
        asked_at: When, aware UTC.
        checked: How many operations.
        invalid: Operation → what the schema says against it.
        deprecated: What is used and about to disappear, with Gazelle's reason.
        new_values: Enum → values that we do not know.
        lost_enums: Enums that are no longer in the schema.
    """

    url: str
    operations: str
    asked_at: datetime
    checked: int
    invalid: dict[str, str]
    deprecated: list[str]
    new_values: dict[str, list[str]]
    lost_enums: list[str]


def evaluate_operations(context: CheckContext, check: str) -> Finding:
    """Every operation that we send is valid by the schema that Gazelle has now."""
    comparison = _comparison(context)
    if isinstance(comparison, str):
        return _unreadable(context, check, comparison)
    checked, count = comparison.checked, len(comparison.invalid)
    numbers = {"checked": checked, "refused": count}
    if not count:
        return Finding(check, True, context.say(VALID, checked=checked), numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=context.say(INVALID, count=count, checked=checked, what=", ".join(comparison.invalid)),
        advice=context.say(FIX),
        examples=first_few(f"{operation}: {why}" for operation, why in comparison.invalid.items()),
        numbers=numbers,
    )


def evaluate_deprecations(context: CheckContext, check: str) -> Finding:
    """Nothing that we use is marked as about to disappear."""
    comparison = _comparison(context)
    if isinstance(comparison, str):
        return _unreadable(context, check, comparison)
    numbers = {"checked": comparison.checked, "deprecated": len(comparison.deprecated)}
    if not comparison.deprecated:
        return Finding(check, True, context.say(NOT_DEPRECATED, checked=comparison.checked), numbers=numbers)
    shown = first_few(comparison.deprecated)
    summary = context.say(DEPRECATED, count=len(comparison.deprecated), what=" ".join(shown[:3]))
    return warning(check, summary, advice=context.say(REPLACE), examples=shown, numbers=numbers)


def evaluate_enums(context: CheckContext, check: str) -> Finding:
    """The schema has no value that our columns were not made for."""
    comparison = _comparison(context)
    if isinstance(comparison, str):
        return _unreadable(context, check, comparison)
    new = [f"{enum} {value}" for enum, values in comparison.new_values.items() for value in values]
    numbers = {"checked": len(ENUMS), "new values": len(new), "enums gone": len(comparison.lost_enums)}
    parts = [context.say(NEW_VALUES, what=", ".join(new))] if new else []
    parts += [context.say(LOST_ENUMS, what=", ".join(comparison.lost_enums))] if comparison.lost_enums else []
    if not parts:
        return Finding(check, True, context.say(SAME_VALUES, checked=len(ENUMS)), numbers=numbers)
    examples = first_few([*new, *comparison.lost_enums])
    return warning(check, " ".join(parts), advice=context.say(EXPECT), examples=examples, numbers=numbers)


CHECKS = (
    Check(
        "conformance_operations",
        Message("Gazelle's schema accepts every operation that we send."),
        evaluate_operations,
    ),
    Check(
        "conformance_deprecations",
        Message("Nothing that we use is about to disappear from Gazelle's schema."),
        evaluate_deprecations,
    ),
    Check(
        "conformance_enums",
        Message("Gazelle's schema has no new enum value."),
        evaluate_enums,
    ),
)


def compare(schema: GraphQLSchema, url: str = "") -> SchemaComparison:
    """Validate everything that we send, and the enums of our columns, against a schema."""
    from graphql import GraphQLEnumType, NoDeprecatedCustomRule, parse, validate

    invalid: dict[str, str] = {}
    deprecated: dict[str, None] = {}
    sent = dict(_operations_sent())
    for name, text in sent.items():
        document = parse(text)
        if errors := validate(schema, document):
            invalid[name] = "; ".join(dict.fromkeys(error.message for error in errors[:3]))
        deprecated.update(
            dict.fromkeys(error.message for error in validate(schema, document, [NoDeprecatedCustomRule]))
        )
    for entity in ENTITIES:
        if entity.sort_enum and entity.stable_sort:
            sorts = schema.get_type(entity.sort_enum)
            value = sorts.values.get(entity.stable_sort) if isinstance(sorts, GraphQLEnumType) else None
            if value is None:
                invalid.setdefault(entity.page_operation, f"{entity.sort_enum} has no {entity.stable_sort}")
            elif value.deprecation_reason is not None:
                deprecated[f"{entity.sort_enum}.{entity.stable_sort}: {value.deprecation_reason}"] = None
    enums = {name: schema.get_type(name) for name in ENUMS}
    return SchemaComparison(
        url=url,
        operations=_digest(),
        asked_at=datetime.now(UTC),
        checked=len(sent),
        invalid=invalid,
        deprecated=list(deprecated),
        new_values={
            name: sorted(enum.values.keys() - ENUMS[name])
            for name, enum in enums.items()
            if isinstance(enum, GraphQLEnumType) and enum.values.keys() - ENUMS[name]
        },
        lost_enums=[name for name, enum in enums.items() if not isinstance(enum, GraphQLEnumType)],
    )


def _comparison(context: CheckContext) -> SchemaComparison | str:
    """The comparison, stored or new; or, as a text, why the schema cannot be read."""
    cached = _cached(context)
    is_recent = cached is not None and datetime.now(UTC) - CACHED_FOR < cached.asked_at <= datetime.now(UTC)
    if cached is not None and is_recent and not context.refreshes_schema:
        return cached
    if not context.may_ask_gazelle:
        return "it was not asked for within a day"
    try:
        schema = _introspected(context)
    except GazelleSyncError as error:
        return first_line(error)
    comparison = compare(schema, str(context.settings.api_url))
    text = msgspec.json.encode(comparison).decode()
    with borrow(context.url) as connection:
        write_setting(connection, SETTING, text)
    context.refreshes_schema = False  # the other checks of this round need not ask again
    return comparison


def _cached(context: CheckContext) -> SchemaComparison | None:
    with borrow(context.url) as connection:
        text = read_setting(connection, SETTING)
    if text is None:
        return None
    try:
        held = msgspec.json.decode(text, type=SchemaComparison)
    except msgspec.DecodeError:
        return None
    return held if (held.url, held.operations) == (str(context.settings.api_url), _digest()) else None


def _introspected(context: CheckContext) -> GraphQLSchema:
    """Gazelle's schema.

    Raises:
        ApiError: It cannot be had, or is none.
    """
    from graphql import build_client_schema, get_introspection_query

    query = get_introspection_query(descriptions=False)
    with context.client() as client:
        data: Any = client.execute("IntrospectionQuery", query).data
    try:
        return build_client_schema(data, assume_valid=True)
    except (TypeError, KeyError, ValueError) as error:
        said = gettext("the answer is no schema ({error})", error=error)
        raise AnswerUnreadable("IntrospectionQuery", said) from error


def _operations_sent() -> Iterator[tuple[str, str]]:
    """Name → text of every operation that we send: those of the files, and those that are built from them."""
    for path in sorted(documents.DIRECTORY.glob("*.graphql")):
        for name in documents.operation_names(path.stem):
            yield name, documents.operation(path.stem, name)
    for entity in ENTITIES:
        if entity.by_id is not None:
            yield f"{entity.name.capitalize()}ById", documents.by_ids(entity, ["id"])[0]
    yield "TimelineCount", documents.TIMELINE_COUNT
    yield "TimelineTick", documents.timeline_tick(1)
    yield "TimelineCounts", documents.timeline_counts(1)


def _digest() -> str:
    text = "\n".join(part for name, text in _operations_sent() for part in (name, text)) + repr(sorted(ENUMS))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _unreadable(context: CheckContext, check: str, reason: str) -> Finding:
    summary = context.say(REFUSED, reason=reason)
    return warning(check, summary, advice=context.say(ASK_AGAIN), numbers={"checked": 0})
