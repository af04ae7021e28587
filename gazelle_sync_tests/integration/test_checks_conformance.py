"""The conformance checks: a change of Gazelle's schema is reported before a nightly run fails on it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from graphql import build_schema

from gazelle_sync.quality.conformance import SETTING, SchemaComparison, compare
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.shop import Shop

NAMES = ("conformance_operations", "conformance_deprecations", "conformance_enums")
SCHEMA = PROJECT_ROOT / "gazelle_sync" / "sandbox" / "schema.graphql"


@cache
def published() -> str:
    return SCHEMA.read_text(encoding="utf-8")


def changed(before: str, after: str) -> SchemaComparison:
    """What comes of a change of the schema."""
    assert before in published()
    return compare(build_schema(published().replace(before, after, 1)))


def test_the_schema_as_it_is_passes_and_is_asked_for_once(shop: Shop) -> None:
    shop.admin.reset_stats()
    for name in NAMES:
        found = assert_passes(shop, name, refreshes_schema=name == NAMES[0])
        assert found.numbers["checked"] > 10
    assert shop.admin.stats()["requests"] == 1


def test_a_remembered_answer_is_good_for_a_day_and_for_the_same_operations(shop: Shop) -> None:
    assert_passes(shop, NAMES[0])
    shop.admin.reset_stats()
    assert_passes(shop, NAMES[0], refreshes_schema=False)
    assert shop.admin.stats()["requests"] == 0
    for spoiled in ('\'"asked_at":"20\\d\\d\', \'"asked_at":"2020\'', '\'"operations":"\', \'"operations":"x\''):
        shop.query(f"UPDATE system_settings SET value = regexp_replace(value, {spoiled}) WHERE key = %s", SETTING)  # noqa: S608
        shop.admin.reset_stats()
        assert_passes(shop, NAMES[0], refreshes_schema=False)
        assert shop.admin.stats()["requests"] == 1
    shop.query("UPDATE system_settings SET value = 'nonsense' WHERE key = %s", SETTING)
    assert_passes(shop, NAMES[0], refreshes_schema=False)


def test_what_a_tick_may_not_ask_has_not_passed(shop: Shop) -> None:
    shop.admin.reset_stats()
    assert not look_at(shop, NAMES[0], refreshes_schema=False, may_ask_gazelle=False).passed
    assert shop.admin.stats()["requests"] == 0


@pytest.mark.parametrize("fault", ["refused", "html", "unreachable", "no schema"])
def test_a_schema_that_cannot_be_read_is_a_warning_and_no_pass(shop: Shop, fault: str) -> None:
    asked = shop
    match fault:
        case "refused":
            shop.admin.fault("graphql_errors", message="not allowed", times=0, operation="IntrospectionQuery")
        case "html":
            shop.admin.fault("html_200", times=0, operation="IntrospectionQuery")
        case "no schema":
            shop.admin.fault("status", code=200, body='{"data": {}}', times=0, operation="IntrospectionQuery")
        case _:
            asked = replace(shop, settings=shop.settings.replace(api_url="http://127.0.0.1:9", timeout_s=0.5))
    found = look_at(asked, NAMES[0])
    assert not found.passed
    assert not found.is_failure
    assert "cannot be read" in found.summary


def test_a_field_that_is_gone_names_the_operations_that_use_it() -> None:
    found = changed("  what3words: String\n", "")
    assert {"ClientsPage", "ClientContacts", "ClientsById"} <= found.invalid.keys()
    assert "what3words" in found.invalid["ClientsPage"]
    assert "PianosPage" not in found.invalid


def test_a_field_that_is_about_to_disappear_is_told_with_gazelles_reason() -> None:
    found = changed("  what3words: String\n", '  what3words: String @deprecated(reason: "gone in March")\n')
    assert not found.invalid
    assert any("what3words" in said and "gone in March" in said for said in found.deprecated)


def test_an_argument_that_became_necessary_and_a_value_that_we_sort_by_are_missed() -> None:
    necessary = changed("allTimelineEntries(", "allTimelineEntries(shop: String!, ")
    assert {"TimelinePage", "TimelineTick", "TimelineCounts", "TimelineCount"} <= necessary.invalid.keys()
    start = published().index("enum PianoSort")
    body = published()[start : published().index("}", start)]
    sorts = changed(body, body.replace("CREATED_AT_ASC", "MADE_AT_ASC"))
    assert sorts.invalid == {"PianosPage": "PianoSort has no CREATED_AT_ASC"}


def test_new_enum_values_and_lost_enums_are_told() -> None:
    found = changed("enum EventStatus {", "enum EventStatus {\n  DREAMT")
    assert found.new_values == {"EventStatus": ["DREAMT"]}
    assert found.lost_enums == []
    renamed = published().replace("InvoiceItemType", "InvoiceLineType")
    assert compare(build_schema(renamed)).lost_enums == ["InvoiceItemType"]


def test_the_findings_say_what_the_comparison_found(shop: Shop) -> None:
    assert_passes(shop, NAMES[0])
    shop.query(
        """UPDATE system_settings SET value = (value::jsonb || '{"invalid": {"PianosPage": "no such field"},
        "deprecated": ["size: gone in March"], "new_values": {"EventStatus": ["DREAMT"]}}')::text WHERE key = %s""",
        SETTING,
    )
    refused, deprecated, enums = (look_at(shop, name, refreshes_schema=False) for name in NAMES)
    assert refused.is_failure
    assert refused.examples == ("PianosPage: no such field",)
    assert (deprecated.passed, deprecated.is_failure) == (False, False)
    assert "gone in March" in deprecated.summary
    assert (enums.passed, enums.is_failure) == (False, False)
    assert "EventStatus DREAMT" in enums.summary
