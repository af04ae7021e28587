"""Faults that a push meets: lost answers, refusals, races. Nothing is lost, nothing doubled; on both transports."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from gazelle_sync.errors import SettingsError
from gazelle_sync.gazelle import throttle
from gazelle_sync.pull.context import Mode
from gazelle_sync.push.model import Item
from gazelle_sync.push.transports import pianos
from gazelle_sync_tests.support.pushing import WRITES, EditedShop, HookPush, once


@pytest.mark.parametrize("kind", ["close_after", "reset", "html_200"])
def test_whatever_happens_to_the_answer_of_each_action_it_is_there_once(office: EditedShop, kind: str) -> None:
    """The answer is lost after each request, or the request itself, or a proxy's page comes instead."""
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    for holds in WRITES.values():
        office.shop.admin.fault(kind, operation=holds[office.transport])
    office.settle(piano)
    assert all(fault["struck"] for fault in office.shop.admin.faults())
    office.assert_there_once(piano, measured)
    assert not [row for row in office.log() if row[1] == "in_doubt"]


@pytest.mark.parametrize(
    ("kind", "options"), [("truncated", {}), ("status", {"code": 500}), ("empty_body", {}), ("graphql_errors", {})]
)
def test_whatever_comes_instead_of_any_answer_everything_is_there_once(
    office: EditedShop, kind: str, options: dict[str, Any]
) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    office.shop.admin.fault(kind, times=0, probability=0.4, seed=7, **options)
    for _ in range(3):
        office.push()
    office.shop.admin.clear_faults()
    office.settle(piano)
    office.assert_there_once(piano, measured)


@pytest.mark.parametrize(("name", "holds"), [("PushRead", "PushRead"), ("look-up", "PushEntries")])
def test_faults_of_reads_lose_nothing(office: EditedShop, name: str, holds: str) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    if name == "look-up":
        office.shop.admin.fault("close_after", operation=WRITES["add_comment"][office.transport])
    office.shop.admin.fault("status", operation=holds, code=503, times=4)
    office.push()
    office.settle(piano)
    office.assert_there_once(piano, measured)


def test_a_slow_answer_is_waited_for_before_anything_is_sent_again(office: EditedShop) -> None:
    """The request outlives our patience: looked for too early it would not be there yet, and be doubled."""
    piano = office.piano()
    office.edit(piano, notes="Une seule fois")
    office.shop.admin.fault("timeout", operation=WRITES["add_comment"][office.transport], seconds=1.5)
    report = office.push(timeout_s=1.0)
    assert report.succeeded
    assert office.comments(piano) == ["Une seule fois"]
    assert office.log() == [("add_comment", "success")]


@pytest.mark.parametrize(
    "habit",
    [lambda text: " ".join(text.split()), lambda text: html.escape(text.replace(" ", "\u00a0"))],
    ids=["squeezes", "escapes"],
)
def test_a_comment_whose_text_gazelle_keeps_otherwise_is_known_again(
    office: EditedShop, monkeypatch: pytest.MonkeyPatch, habit: Callable[[str], str]
) -> None:
    inner = pianos._entries

    def entries(*arguments: Any) -> Iterator[Item]:
        return (replace(entry, values={"text": habit(entry.values["text"])}) for entry in inner(*arguments))

    monkeypatch.setattr(pianos, "_entries", entries)
    piano = office.piano()
    for kind, notes in (("close_after", "note 4  de <x>\n& y"), ("reset", "note 4 de <x> & y")):
        office.edit(piano, notes=notes)
        office.shop.admin.fault(kind, operation=WRITES["add_comment"][office.transport], times=2)
        office.push()
        office.shop.admin.clear_faults()
        office.settle(piano)
    assert office.comments(piano) == ["note 4  de <x>\n& y", "note 4 de <x> & y"], "each edit once"


def test_the_same_words_in_gazelle_are_not_taken_for_ours(office: EditedShop) -> None:
    piano = office.piano()
    words = "Accordé"
    client = office.record(piano)["clientId"]
    office.shop.admin.create("timeline", pianoId=piano, clientId=client, comment=words, clientLogId="log_foreign")
    office.edit(piano, notes=words, travail=words)
    office.shop.admin.fault("reset", operation=WRITES["add_comment"][office.transport], times=2)
    office.settle(piano)
    assert office.comments(piano) == [words] * 3
    office.edit(piano, notes="Autre chose")
    office.push()
    office.edit(piano, notes=words)
    office.shop.admin.fault("close_after", operation=WRITES["add_comment"][office.transport])
    office.settle(piano)
    assert sorted(office.comments(piano)) == [words] * 4 + ["Autre chose"], "said again later, it is sent again"


def test_a_minute_of_429_puts_everything_off_and_loses_nothing(office: EditedShop) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    office.shop.admin.fault("status", code=429, times=0, operation="piano")
    report = office.push()
    assert report.stopped is not None
    assert "429" in office.row(piano)["sync_error"]
    assert office.push(at_once=False).outcomes == []
    office.shop.admin.clear_faults()
    office.settle(piano)
    office.assert_there_once(piano, measured)


def test_retry_after_is_honoured(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé")
    office.shop.admin.fault("status", code=429, retry_after=1, operation=WRITES["add_comment"][office.transport])
    report = office.push()
    assert report.succeeded
    assert report.seconds >= 1
    assert office.comments(piano) == ["Accordé"]


def test_a_token_that_expires_between_two_actions_is_refreshed(office: EditedShop, hook_push: HookPush) -> None:
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    admin = office.shop.admin
    hook_push(after_send=once(admin.expire_token))
    assert office.push(**office.shop.oauth()).succeeded
    office.assert_there_once(piano, measured)


def test_refused_credentials_stop_the_run_and_every_row_says_why(office: EditedShop) -> None:
    for place in range(3):
        office.edit(office.piano(place), notes="Accordé")
    report = office.push(api_token="wrong")
    assert report.stopped is not None
    assert {row["attempts"] for row in office.rows()} == {0}
    assert all("GAZELLE_API_TOKEN" in row["sync_error"] for row in office.shop.rows("vincent_dindy_piano_updates"))


def test_mutation_errors_with_http_200_are_read(office: EditedShop) -> None:
    piano = office.piano(tags=["TOP"])
    office.edit(piano, status="normal", notes="Accordé")
    if office.transport == "graphql":
        office.shop.admin.settings(mutation_error="Le registre est fermé")
    else:
        office.shop.admin.fault("status", code=422, times=2, operation="/api/v1/")
    report = office.push()
    assert report.failed == 2
    expected = "Le registre est fermé" if office.transport == "graphql" else "The sandbox was told to fail"
    assert expected in office.row(piano)["sync_error"]
    assert {status for _, status in office.log()} == {"error"}
    office.shop.admin.settings(mutation_error="")
    office.settle(piano)
    assert office.record(piano)["tags"] == ["NORMAL"]
    assert office.comments(piano) == ["Accordé"]


def test_tags_that_gazelle_does_not_show_for_a_moment_are_not_erased(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="top")
    office.push()
    office.edit(piano, status="normal")
    office.shop.admin.fault("empty_tags", operation="PushRead")
    assert office.push().failed == 1
    assert "GRAND" in office.row(piano)["sync_error"]
    assert office.push().succeeded
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]


def test_a_real_accounts_database_is_not_pushed_into_a_sandbox(office: EditedShop) -> None:
    office.edit(office.piano(), notes="Accordé")
    office.shop.query("INSERT INTO system_settings (key, value) VALUES ('source', 'account')")
    with pytest.raises(SettingsError, match="real account"):
        office.push()


def test_many_rows_at_once_all_arrive_within_few_reads(office: EditedShop) -> None:
    """A hundred stand for thousands (docs/evidence/benchmarks.md): requests grow by the wave; by the row over REST."""
    client = office.record(office.piano())["clientId"]
    pianos = [office.shop.admin.create("pianos", clientId=client, status="ACTIVE")["id"] for _ in range(100)]
    for piano in pianos:
        office.edit(piano, notes=f"Note de {piano}")
    office.shop.admin.reset_stats()
    report = office.push()
    assert report.succeeded
    assert report.requests == {"graphql": 2 + 2, "rest": 100 + 4}[office.transport]
    assert all(office.comments(piano) == [f"Note de {piano}"] for piano in pianos[::10])


def test_the_budget_of_requests_is_kept(office: EditedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "TRANSIT_S", 5.0)  # on a busy machine a request may be long on its way
    for place in range(8):
        office.edit(office.piano(place), notes=f"Note {place}", status="top")
    office.shop.admin.reset_stats()
    office.push(rate_per_s=20)
    assert office.shop.admin.stats()["max_in_a_second"] <= 20


def test_the_pull_brings_it_back_without_making_the_row_due(office: EditedShop) -> None:
    piano = office.busy_row()
    office.push()
    row = office.row(piano)
    office.shop.sync(only=["users", "clients", "pianos"])
    assert office.row(piano) == row
    assert office.shop.row("gazelle_pianos", piano)["tags"] == ["GRAND", "NORMAL"]
    assert office.push().outcomes == []


def test_what_changes_at_gazelle_alone_is_followed_after_a_pull(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="top", observations="Vu")
    office.push()
    office.shop.admin.settings(clock_skew_s=5)
    notes = office.record(piano)["notes"].replace("Vu", "Relu")
    office.shop.admin.edit("pianos", piano, tags=["GRAND", "NORMAL"], notes=notes)
    assert office.push().outcomes == []
    office.shop.sync(only=["users", "clients", "pianos"])
    assert office.push(at_once=False).succeeded
    row = office.row(piano)
    assert (row["status"], row["observations"], row["needs_sync"]) == ("normal", "Relu", False)
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]
    assert office.push().outcomes == []


def test_the_transport_is_the_one_that_was_chosen(office: EditedShop) -> None:
    office.edit(office.piano(), notes="Accordé")
    office.shop.admin.reset_stats()
    office.push()
    asked = office.shop.admin.stats()["by_operation"]
    assert any(name.startswith("POST /api/v1/") for name in asked) == (office.transport == "rest")


def test_a_row_that_was_removed_and_came_back_says_nothing_twice(office: EditedShop) -> None:
    piano = office.piano()
    for words in ("Un", "Deux"):
        office.edit(piano, notes=words, travail=f"{words}, 21°C 440 Hz")
        office.push()
    said = sorted(office.comments(piano))
    assert len(said) == 4
    measured = len(office.measurements(piano))
    office.shop.query("DELETE FROM vincent_dindy_piano_updates")
    office.edit(piano, notes="Deux", travail="Deux, 21°C 440 Hz")
    assert office.push().succeeded
    assert sorted(office.comments(piano)) == said
    assert len(office.measurements(piano)) == measured
    office.assert_clean(piano)
    office.edit(piano, notes="Un")
    office.push()
    assert sorted(office.comments(piano)) == sorted([*said, "Un"]), "said anew by a living row, it is sent"


def test_tags_that_only_our_last_push_saw_are_not_erased_by_an_answer_without_tags(office: EditedShop) -> None:
    """The last pull is older than our push and saw no tags: it confirms nothing."""
    piano = office.piano(tags=[])
    office.shop.sync(Mode.DEEP, only=["users", "clients", "pianos"])
    office.shop.admin.edit("pianos", piano, tags=["GRAND"])
    office.edit(piano, status="top")
    assert office.push().succeeded
    office.edit(piano, status="normal")
    office.shop.admin.fault("empty_tags", operation="PushRead", times=0)
    assert office.push().failed == 1
    office.shop.admin.clear_faults()
    assert office.push().succeeded
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]


def test_a_row_that_could_not_be_looked_at_does_not_go_on_saying_so(office: EditedShop) -> None:
    """The pull saw its record differ, the look at it failed, and by now both are equal again."""
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, status="top")
    office.push()
    before = office.record(piano)["tags"]
    for tags, fails in (([*before, "NEUF"], True), (before, False)):
        office.shop.admin.settings(clock_skew_s=office.shop.admin.settings()["clock_skew_s"] + 3)
        office.shop.admin.edit("pianos", piano, tags=tags)
        office.shop.sync(Mode.DEEP, only=["users", "clients", "pianos"])
        if fails:
            office.shop.admin.fault("status", code=503, times=0)
            office.push()
            office.shop.admin.clear_faults()
            assert "503" in office.row(piano)["sync_error"]
    office.push()
    office.assert_clean(piano)


def test_a_row_whose_comment_stays_in_doubt_is_not_passed_over_in_silence(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé")
    office.shop.admin.fault("close_after", operation=WRITES["add_comment"][office.transport])
    office.shop.admin.fault("graphql_errors", operation="PushEntries", times=0)
    office.push()
    assert office.log() == [("add_comment", "in_doubt")]
    office.shop.admin.fault("graphql_errors", operation="PushRead", times=0)
    report = office.push()
    assert not report.succeeded
    assert report.failed == 1
    assert "Something went wrong" in office.row(piano)["sync_error"]
    office.shop.admin.clear_faults()
    office.settle(piano)
    assert office.comments(piano) == ["Accordé"]
    office.assert_clean(piano)


def test_that_a_piano_is_not_there_for_a_moment_does_not_make_its_comment_lost(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Note, 21°C")
    measured = len(office.measurements(piano))
    for name in ("add_comment", "add_measurement"):
        office.shop.admin.fault("close_after", times=0, operation=WRITES[name][office.transport])
    office.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    office.shop.admin.fault("null_by_id", times=0, after=1, operation="PushRead")
    for _ in range(2):
        assert not office.push().succeeded
    assert "no piano" in office.row(piano)["sync_error"]
    assert {status for action, status in office.log(piano) if action.startswith("add_")} == {"in_doubt"}
    office.shop.admin.clear_faults()
    office.settle(piano)
    assert office.comments(piano) == ["Note, 21°C"]
    assert len(office.measurements(piano)) == measured + 1
    office.assert_clean(piano)


def test_a_doubt_about_a_piano_that_is_gone_ends_with_its_row(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Note")
    office.shop.admin.fault("close_after", times=0, operation=WRITES["add_comment"][office.transport])
    office.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    office.push()
    office.shop.admin.clear_faults()
    office.shop.admin.delete("pianos", piano)
    for _ in range(2):
        assert "no piano" in str(office.push().outcomes[0].trouble)
    office.shop.query("DELETE FROM vincent_dindy_piano_updates")
    assert office.push().succeeded
    assert ("add_comment", "in_doubt") not in office.log(piano)


def test_an_api_that_refuses_an_update_of_nothing_gets_the_edit_all_the_same(office: EditedShop) -> None:
    office.shop.admin.fault("graphql_errors", operation="$nothing", times=0)
    first, second = office.piano(0, tags=["GRAND"]), office.piano(1, tags=["GRAND"])
    for piano in (first, second):
        office.edit(piano, status="top")
    assert office.push().succeeded
    for piano in (first, second):
        assert office.record(piano)["tags"] == ["GRAND", "TOP"]
        office.assert_clean(piano)
