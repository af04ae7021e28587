"""The pages of the desk without script: a piano is read and edited, and two people overwrite nothing."""

from __future__ import annotations

import uuid

import pytest

from gazelle_sync_tests.support.desk import FrontDesk, Visitor


@pytest.fixture
def piano(front_desk: FrontDesk) -> str:
    return front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL")


def stored(front_desk: FrontDesk, piano: str, column: str) -> object:
    query = f"SELECT {column} FROM vincent_dindy_piano_updates WHERE gazelle_id = %s"  # noqa: S608
    found = front_desk.shop.query(query, piano)
    return found[0][0] if found else None


def test_every_page_opens_in_both_languages_and_says_which_it_is(
    visitor: Visitor, front_desk: FrontDesk, piano: str
) -> None:
    client = front_desk.some("gazelle_clients")
    invoice = front_desk.some("gazelle_invoices")
    addresses = ["/", "/search?q=a", f"/pianos/{piano}", f"/clients/{client}", "/state", "/agenda", "/agenda?view=day",
                 f"/agenda/new?piano={piano}", "/alerts", "/conflicts", "/stock", "/stock/item", "/invoices",
                 "/invoices?list=all", f"/invoices/{invoice}", "/people", "/journal"]  # fmt: skip
    for language in ("fr", "en"):
        visitor.send("/", "/language", language=language)
        for address in addresses:
            page = visitor.open(address)
            assert page.status == 200, (address, page.text[:500])
            assert page.lang == language, address


def test_french_comes_first_whatever_the_process_speaks(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZELLE_LANG", "en")
    assert "Il n'y a pas de piano" in visitor.open("/pianos/ins_nobody").text
    visitor.send("/", "/language", language="en")
    assert "There is no piano ins_nobody" in visitor.open("/pianos/ins_nobody").text


def test_what_is_not_there_is_said_with_its_status(visitor: Visitor) -> None:
    for address in (
        "/pianos/ins_x",
        "/clients/cli_x",
        "/invoices/inv_x",
        "/agenda/visit/evt_x",
        "/nowhere",
        "/alerts/x",
    ):
        page = visitor.open(address)
        assert page.status == 404, address
        assert page.lang == "fr"
    assert visitor.open("/alerts/999999").status == 422
    assert visitor.open("/sync").status == 405


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "problematic"), ("notes", "Côté cour, l'été"), ("observations", "Deux\nlignes"), ("travail", "Accordé"),
     ("a_faire", "Rapporter la housse")],
)  # fmt: skip
def test_a_field_is_edited_in_place_with_who_and_when(front_desk: FrontDesk, piano: str, name: str, value: str) -> None:
    visitor = front_desk.visitor()
    page = visitor.edit(piano, name, value)
    assert page.status == 200
    assert "Enregistré" in page.text
    assert page.form(f"/pianos/{piano}", field=name).fields["value"] == value
    assert stored(front_desk, piano, name) == value
    who, action, record, field, refusal = front_desk.shop.query(
        "SELECT who, action, record, field, refusal FROM desk_changes ORDER BY id DESC LIMIT 1"
    )[0]
    assert (action, record, field, refusal) == ("edit", piano, name, None)
    assert who
    if name != "a_faire":
        assert stored(front_desk, piano, "needs_sync") is True
        assert "Attend d'être envoyé" in page.text
    assert "Enregistré" not in visitor.open(f"/pianos/{piano}").text, "it is said once"


def test_the_day_on_which_work_was_done_is_said_by_montreals_clock(front_desk: FrontDesk, piano: str) -> None:
    front_desk.visitor().edit(piano, "completed_at", "2026-07-01T09:30")
    assert str(stored(front_desk, piano, "completed_at AT TIME ZONE 'UTC'")) == "2026-07-01 13:30:00"
    page = front_desk.visitor().open(f"/pianos/{piano}")
    assert page.form(f"/pianos/{piano}", field="completed_at").fields["value"] == "2026-07-01T09:30"


def test_what_stays_in_the_shop_moves_no_date_of_the_rest(front_desk: FrontDesk, piano: str) -> None:
    front_desk.visitor().edit(piano, "notes", "Une note")
    before = front_desk.shop.query("SELECT updated_at, updated_by FROM vincent_dindy_piano_updates")
    front_desk.visitor().edit(piano, "a_faire", "À faire")
    assert front_desk.shop.query("SELECT updated_at, updated_by FROM vincent_dindy_piano_updates") == before


def test_of_two_who_edit_the_same_the_second_is_told_and_sees_both(front_desk: FrontDesk, piano: str) -> None:
    anne, ben = front_desk.visitor(), front_desk.visitor()
    opened = ben.open(f"/pianos/{piano}")
    anne.edit(piano, "notes", "Ce qu'Anne écrit")
    page = ben.edit(piano, "notes", "Ce que Ben écrit", page=opened)
    assert page.status == 409
    assert "Ce qu'Anne écrit" in page.text
    assert "Ce que Ben écrit" in page.text
    assert stored(front_desk, piano, "notes") == "Ce qu'Anne écrit"
    assert ben.edit(piano, "notes", "Les deux", page=page).status == 200, "who has seen both decides"
    assert stored(front_desk, piano, "notes") == "Les deux"


def test_two_who_edit_different_fields_do_not_meet(front_desk: FrontDesk, piano: str) -> None:
    anne, ben = front_desk.visitor(), front_desk.visitor()
    opened = ben.open(f"/pianos/{piano}")
    anne.edit(piano, "notes", "Une note")
    assert ben.edit(piano, "travail", "Du travail", page=opened).status == 200
    assert (stored(front_desk, piano, "notes"), stored(front_desk, piano, "travail")) == ("Une note", "Du travail")


def test_a_form_that_is_sent_twice_is_done_once(front_desk: FrontDesk, piano: str) -> None:
    visitor = front_desk.visitor()
    page = visitor.open(f"/pianos/{piano}")
    visitor.edit(piano, "notes", "Une fois", page=page)
    again = visitor.edit(piano, "notes", "Une fois", page=page)
    assert again.status == 200
    assert "déjà été envoyé" in again.text
    assert front_desk.shop.value("SELECT count(*) FROM desk_changes") == 1


@pytest.mark.parametrize("once", ["", "nonsense"])
def test_a_form_without_its_key_is_none_of_ours(front_desk: FrontDesk, piano: str, once: str) -> None:
    visitor = front_desk.visitor()
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    answer = visitor.client.post(f"/pianos/{piano}", data={**form, "value": "x", "once": once})
    assert answer.status_code == 422
    assert stored(front_desk, piano, "notes") is None


def test_a_field_that_is_not_edited_here_is_refused(front_desk: FrontDesk, piano: str) -> None:
    visitor = front_desk.visitor()
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    for name in ("gazelle_id", "needs_sync", "notes = 'x' --"):
        given = {**form, "field": name, "value": "x", "once": str(uuid.uuid4())}
        assert visitor.client.post(f"/pianos/{piano}", data=given).status_code == 422
    given = {**form, "field": "status", "value": "excellent", "once": str(uuid.uuid4())}
    assert visitor.client.post(f"/pianos/{piano}", data=given).status_code == 422


def test_our_script_gets_the_field_and_how_the_push_stands(front_desk: FrontDesk, piano: str) -> None:
    visitor = front_desk.visitor()
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    answer = visitor.client.post(f"/pianos/{piano}", data={**form, "value": "Bref"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert 'hx-trigger="every 2s"' in answer.text, "the push is asked about until Gazelle has it"
    waiting = visitor.client.get(f"/pianos/{piano}/push", headers={"HX-Request": "true"}).text
    assert 'hx-trigger="every 2s"' in waiting
    front_desk.shop.query("SET gazelle_sync.pushing = 'on'")
    front_desk.shop.query("UPDATE vincent_dindy_piano_updates SET needs_sync = false, last_synced_at = now()")
    arrived = visitor.client.get(f"/pianos/{piano}/push", headers={"HX-Request": "true"}).text
    assert "chez Gazelle ✓" in arrived
    assert "hx-trigger" not in arrived
    late = visitor.client.post(f"/pianos/{piano}", data={**form, "value": "x"}, headers={"HX-Request": "true"})
    assert late.status_code == 409
    assert late.headers["HX-Reswap"] == "none", "what was written stays in the form"


def test_what_is_wrong_stands_beside_what_did_not_go(front_desk: FrontDesk, piano: str) -> None:
    visitor = front_desk.visitor()
    visitor.edit(piano, "notes", "Bref")
    front_desk.shop.query("SET gazelle_sync.pushing = 'on'")
    front_desk.shop.query("UPDATE vincent_dindy_piano_updates SET sync_error = 'Gazelle refuse le mot <b>'")
    page = visitor.open(f"/pianos/{piano}")
    assert "Gazelle refuse le mot <b>" in page.text
    assert "Gazelle refuse le mot <b>" in visitor.open("/state").text


def test_why_a_note_is_not_shown_stands_on_the_page_of_its_piano(front_desk: FrontDesk, piano: str) -> None:
    visitor, here = front_desk.visitor(), f"/pianos/{piano}"
    page = visitor.edit(piano, "notes", "Écrite ici")
    assert "Attend d'être envoyé chez Gazelle" in page.text
    assert "/state#waits" in page.links, "what to do is a link away"
    assert "Envoyer maintenant" in visitor.open("/state").text
    assert "Ce qui y a été écrit depuis n'est pas encore ici" in page.text, (
        "or it was written at Gazelle after the last pull"
    )
    front_desk.shop.query(
        "INSERT INTO staging_timeline (external_id, raw_data, fetched_at, sync_status, error_message, content_hash) "
        "VALUES ('tle_x', jsonb_build_object('piano', jsonb_build_object('id', %s::text)), now(), 'error', "
        "'occurredAt : illisible', 'x')", piano,
    )  # fmt: skip
    assert "tle_x a été lu chez Gazelle et ne peut pas être montré : occurredAt : illisible" in visitor.open(here).text
    front_desk.shop.query(
        "DELETE FROM system_settings WHERE key LIKE 'last_sync_date%%'",
    )
    assert "n'a pas encore été lue" in visitor.open(here).text


def test_the_history_is_told_by_montreal_days_and_page_by_page(front_desk: FrontDesk, piano: str) -> None:
    front_desk.shop.query(
        "INSERT INTO gazelle_timeline_entries (external_id, piano_external_id, occurred_at, title) "
        "SELECT 'tme_h' || n, %s, '2024-06-30T23:30:00Z'::timestamptz - n * interval '12 hours', 'Note ' || n "
        "FROM generate_series(0, 249) AS n",
        piano,
    )
    page = front_desk.visitor().open(f"/pianos/{piano}")
    seen: list[str] = []
    for _ in range(20):
        seen += page.text.split("Note ")[1:]
        earlier = [link for link in page.links if link.startswith(f"/pianos/{piano}?before=")]
        if not earlier:
            break
        page = front_desk.visitor().open(earlier[0])
    numbers = [int(text.split()[0]) for text in seen]
    assert numbers == sorted(set(numbers)), "each once, newest first"
    assert set(range(250)) <= set(numbers)
    assert "dimanche 30 juin 2024" in front_desk.visitor().open(f"/pianos/{piano}?before=2024-07-01").text


def test_measurements_are_drawn_and_listed(front_desk: FrontDesk, piano: str) -> None:
    front_desk.shop.query(
        "INSERT INTO gazelle_piano_measurements (external_id, piano_external_id, taken_on, humidity, temperature) "
        "VALUES ('m1', %s, '2026-01-05', 30, 20), ('m2', %s, '2026-07-05', 55, NULL)",
        piano, piano,
    )  # fmt: skip
    page = front_desk.visitor().open(f"/pianos/{piano}")
    assert "<polyline" in page.html
    assert "55 %" in page.text
    assert "style=" not in page.html, "the content policy allows no style in the page"


def test_the_state_says_what_runs_and_starts_nothing_twice(
    front_desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []

    def start(commands: object, who: str, language: str) -> bool:
        started.append((commands, language))
        return len(started) == 1

    monkeypatch.setattr(front_desk.desk.runs, "start", start)
    visitor = front_desk.visitor()
    assert "La synchronisation a commencé" in visitor.send("/state", "/sync").text
    assert "déjà en cours" in visitor.send("/state", "/sync").text
    assert started == [((("sync",), ("push",)), "fr")] * 2
