"""A backup as docs/production.md shows it: dumped while the shop works, restored, and nothing is doubled or lost."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gazelle_sync.monitoring.status import push_status
from gazelle_sync.push.session import preview
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.schema_repair import missing_objects
from gazelle_sync_tests.conftest import Databases, server_programs
from gazelle_sync_tests.support.pushing import EditedShop, killed_at
from gazelle_sync_tests.support.shop import Shop


@contextmanager
def restored(shop: Shop, databases: Databases, dump: Path) -> Iterator[Shop]:
    """The shop on a new database, into which the dump was restored."""
    with databases.temporary("template0") as url:
        command: list[str | Path] = [server_programs() / "pg_restore", "--exit-on-error", f"--dbname={url}", dump]
        subprocess.run(command, check=True, capture_output=True)
        yield Shop(url, shop.sandbox, shop.settings.replace(database_url=url), shop.local_tags)


def dumped(shop: Shop, dump: Path) -> None:
    command: list[str | Path] = [server_programs() / "pg_dump", "--format=custom", f"--file={dump}", shop.url]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("office", ["graphql"], indirect=True)
def test_a_restored_shop_goes_on_where_the_dump_was_taken(
    office: EditedShop, databases: Databases, tmp_path: Path
) -> None:
    """In the dump: what was sent, what waits, what a killed push left in doubt, watermarks, and a pull at work."""
    shop, dump = office.shop, tmp_path / "gazelle.dump"
    shop.sync()
    sent, doubtful, waiting = (office.piano(place, notes="Clé") for place in range(3))
    office.pushed(sent, notes="Envoyée avant", observations="Vu avant")
    office.edit(doubtful, notes="Envoyée par un processus tué", travail="Fait")
    # Each kill is a step later than the one before it, until one falls between an intent and its answer.
    assert any(killed_at(office, step) and office.log(doubtful) for step in range(8, 40, 2))
    office.edit(waiting, notes="Attend encore")
    admin = shop.admin
    admin.settings(latency_ms=20)
    pull = shop.while_pulling(lambda: dumped(shop, dump))
    admin.settings(clock_skew_s=2)  # watermarks are whole seconds of Gazelle's clock, and all this may take less
    shop.change_something()
    shop.sync()
    pull.join()
    admin.settings(latency_ms=0)
    logged = office.log()
    watermark = shop.watermarks()[""]
    shop.leave()

    shop.change_something()  # at Gazelle, between the dump and the restore
    with restored(shop, databases, dump) as again:
        new = replace(office, shop=again)
        assert new.log() == logged
        assert again.watermarks()[""] < watermark, "what was read after the dump is read again"
        with connect(again.url) as connection:
            assert missing_objects(connection) == []
        again.sync()
        again.assert_equals_api()
        again.assert_nothing_dangles()
        new.let_doubts_pass()
        for _ in range(3):
            new.push()
            new.let_doubts_pass()
        assert new.comments(sent) == ["Envoyée avant"]
        assert sorted(new.comments(doubtful)) == ["Envoyée par un processus tué", "Fait"]
        assert new.comments(waiting) == ["Attend encore"]
        assert new.record(sent)["notes"].count("Vu avant") == 1
        assert new.conflicts() == []
        assert push_status(again.settings).light == "green"
        again.quiet_down()
        before = again.physical()
        outcome = again.sync()
        assert outcome.staged == 0
        assert again.physical() == before, "a quiet tick writes nothing"
        again.assert_equals_api()
        again.leave()


@pytest.mark.parametrize("office", ["graphql"], indirect=True)
def test_what_was_sent_after_the_dump_and_can_be_compared_with_gazelle_is_not_sent_again(
    office: EditedShop, databases: Databases, tmp_path: Path
) -> None:
    """The dump still says that the edit waits; Gazelle has it. Texts that only add, docs/production.md speaks of."""
    shop, dump = office.shop, tmp_path / "gazelle.dump"
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    office.edit(piano, status="normal", observations="Vu")
    dumped(shop, dump)
    assert office.push().succeeded
    sent = shop.admin.stats()["by_operation"]
    shop.leave()
    with restored(shop, databases, dump) as again:
        new = replace(office, shop=again)
        assert new.push().succeeded
        assert new.record(piano)["tags"] == ["GRAND", "NORMAL"]
        assert new.record(piano)["notes"].count("Vu") == 1
        after = shop.admin.stats()["by_operation"]
        assert {name for name in after if after[name] != sent.get(name) and name.startswith("Push")} <= {"PushRead"}
        again.leave()


@pytest.mark.parametrize("office", ["graphql"], indirect=True)
def test_comments_that_were_sent_after_the_dump_are_found_at_gazelle_and_not_doubled(
    office: EditedShop, databases: Databases, tmp_path: Path
) -> None:
    """The dump says of all of them that they wait: those that were not sent are, and each is there once."""
    shop, dump = office.shop, tmp_path / "gazelle.dump"
    waiting, again = (office.piano(place) for place in (1, 2))
    office.pushed(again, notes="Accordé")
    sent = office.busy_row()
    measured = len(office.measurements(sent))
    office.edit(waiting, notes="Jamais partie")
    office.edit(again, notes="Cordes changées")
    assert office.push(keys=[again]).succeeded
    office.edit(again, notes="Accordé")  # the same words once more: what is there says the first ones
    dumped(shop, dump)
    assert office.push(keys=[sent]).succeeded
    shop.leave()
    with restored(shop, databases, dump) as other:
        new = replace(office, shop=other)
        planned = {row.key: plan for row, plan, _ in preview(other.settings, keys=None) if plan is not None}
        assert not any(action.is_create for action in planned[sent].actions)
        for _ in range(2):
            assert new.push().succeeded
        new.assert_there_once(sent, measured)
        assert new.comments(waiting) == ["Jamais partie"]
        assert sorted(new.comments(again)) == ["Accordé", "Accordé", "Cordes changées"]
        new.pushed(sent, notes="Fait")  # what is edited after the restore is sent, whatever stands there
        assert sorted(new.comments(sent)) == ["Fait", "Fait", "Note 23°C"]
        other.leave()
