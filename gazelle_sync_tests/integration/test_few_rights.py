"""Logins that may do less than the owner of the database: what the sync needs, and what it does without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gazelle_sync.monitoring.status import read_status
from gazelle_sync.pull.context import Mode
from gazelle_sync.quality.registry import CHECKS
from gazelle_sync.shop.search.index import refresh
from gazelle_sync_tests.conftest import WORKER
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.shop import Shop

LOGIN = f"clerk_{WORKER}"


@contextmanager
def clerk_of(shop: Shop, *also: str, role: str = "gazelle_writer") -> Iterator[Shop]:
    """The same shop by a login that has the rights of a role, and some more.

    Args:
        shop: Whose rights are all there are.
        also: Statements that give more.
        role: One of those of `sql/migrations/006_roles.sql`.
    """
    shop.query(f"DROP ROLE IF EXISTS {LOGIN}")
    shop.query(f"CREATE ROLE {LOGIN} LOGIN IN ROLE {role}")
    try:
        for statement in also:
            shop.query(statement)
        url = shop.url.replace("postgres:@", f"{LOGIN}:@")
        yield Shop(shop.url, shop.sandbox, shop.settings.replace(database_url=url))
    finally:
        shop.query(f"DROP OWNED BY {LOGIN}")
        shop.query(f"DROP ROLE {LOGIN}")


def definitions(shop: Shop) -> set[tuple[int, ...]]:
    """The indexes and foreign keys there are: one that was made again is another."""
    return set(shop.query("SELECT indexrelid FROM pg_index UNION ALL SELECT oid FROM pg_constraint"))


OWNS_TABLES = f"GRANT gazelle_owner TO {LOGIN}"
MAKES_NOTHING = "REVOKE CREATE ON SCHEMA public FROM gazelle_owner"


@pytest.mark.parametrize(
    "also", [[], [OWNS_TABLES, MAKES_NOTHING]], ids=["writes rows", "owns the tables, and may make nothing new"]
)
def test_a_login_with_few_rights_pulls_a_shop_from_nothing_and_keeps_keys_and_indexes(
    new_shop: Shop, also: list[str]
) -> None:
    before = definitions(new_shop)
    with clerk_of(new_shop, *also) as shop:
        shop.sync()
        shop.assert_equals_api()
        shop.change_something()
        shop.sync()
        shop.sync(Mode.DEEP)
        shop.replay()
        assert refresh(shop.settings).written > 0
        shop.assert_equals_api()
        assert definitions(shop) == before
        assert {row.light for row in read_status(shop.settings)} == {"green"}
        assert [str(found) for found in (look_at(shop, name) for name in CHECKS) if found.is_failure] == []


def test_a_login_that_may_make_indexes_loads_without_them(new_shop: Shop) -> None:
    before = definitions(new_shop)
    with clerk_of(new_shop, OWNS_TABLES) as shop:
        shop.sync()
        shop.assert_equals_api()
        after = definitions(shop)
    assert len(after) == len(before)
    assert after != before
