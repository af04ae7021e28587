"""The embedded PostgreSQL: wherever its home lies, it starts, is found by others, and stops with the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from gazelle_sync.embedded import stand
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.settings import Settings


@contextmanager
def standing(home: Path) -> Iterator[str]:
    """The address of the shop's embedded database."""
    with stand(replace(Settings.load({}), home=home), api=False) as settings:
        assert settings.database_url is not None
        yield settings.database_url


def asked(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def test_homes_with_a_space_and_an_accent_have_a_server_each_that_its_users_share(tmp_path: Path) -> None:
    first, second = tmp_path / "Été 1" / "my home", tmp_path / "Été 2" / "my (other) home"
    for home in (first, second):
        home.mkdir(parents=True)
    with standing(first) as url, standing(second) as other:
        with standing(first) as again:
            assert again == url
            assert asked(again, "SHOW data_directory") == str(first / "postgres")
        assert asked(other, "SHOW data_directory") == str(second / "postgres"), "one user of two has left"
        assert asked(url, "SHOW data_directory") == str(first / "postgres")
    for address in (url, other):
        with pytest.raises(psycopg.OperationalError):
            asked(address, "SELECT 1")
    assert not list(tmp_path.glob("*/*/postgres/postmaster.pid"))


def test_a_home_that_no_server_can_lie_in_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GazelleSyncError, match="GAZELLE_SYNC_HOME"), standing(tmp_path / "5$"):
        pass
