"""Whatever is sent to the desk, an answer comes in the reader's language, and nothing is done that nobody asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

import pytest

from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.integration.test_desk_far_away import addresses
from gazelle_sync_tests.support.desk import FrontDesk, Page, Visitor, office_of
from gazelle_sync_tests.support.shop import Shop

ODD = (
    "", "'; DROP TABLE gazelle_pianos; --", "%s %(id)s {0} {x}", '<script>alert(1)</script>"\'>', "../../etc/passwd",
    "-1", "0", "9" * 18, "9" * 40, "1e400", "NaN", "-Infinity", "0x1F", "٣", "²", "1_000", "1,5", "2026-13-45",
    "0001-01-01", "9999-12-31", "0001-01-01T00:00", "9999-12-31T23:59", "2026-03-08T02:30", "2026-11-01T01:30+25:00",
    "None", "null", "true", "[]", '{"a": 1}', "inv_x", "ins_x", "usr_x", "a\0b", "\u202e\u200babc", "🎹" * 50,
    "é" * 3000, "\n\r\t \u00a0",
    "\\x00\\", "%00%0a", "x y z " * 200,
)  # fmt: skip
"""What no form of ours offers, wherever it is written."""
QUERIES = {
    "/search": ("q", "kind", "page"),
    "/agenda": ("day", "view", "technician"),
    "/agenda/new": ("piano", "client", "start"),
    "/alerts": ("list", "kind", "client", "page"), "/stock": ("technician", "low"),
    "/stock/item": ("product", "technician", "location"), "/invoices": ("list", "page"),
    "/invoices/new": ("client", "piano"), "/journal": ("record", "before"), "/login": ("next",), "/": ("q",),
}  # fmt: skip
IDS = ("/pianos/{}", "/clients/{}", "/invoices/{}", "/invoices/drafts/{}", "/agenda/visit/{}", "/alerts/{}",
       "/conflicts/{}", "/pianos/{}/push", "/invoices/{}/payments", "/invoices/drafts/{}/sending")  # fmt: skip
FINE = (200, 303, 307, 400, 404, 405, 409, 413, 422)


@pytest.fixture
def open_desk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontDesk]:
    """A desk that starts nothing."""
    with office_of(shop) as office, keep_connections():
        monkeypatch.setattr(office.desk.runs, "start", lambda *_, **__: True)
        yield office


def wrong(answers: Iterator[tuple[str, Page]]) -> list[tuple[str, int, str]]:
    """The answers that are a fault of ours, or speak of one, or repeat a script."""
    return [
        (what, page.status, page.text[-400:])
        for what, page in answers
        if page.status not in FINE or "Traceback" in page.html or "<script>alert" in page.html
        or (page.status >= 400 and page.lang not in ("fr", None))
    ]  # fmt: skip


def some_of(place: int, count: int | None) -> Sequence[str]:
    """So many of the odd values, others at each place; None: all."""
    begin = place * (count or 0) % len(ODD)
    return (*ODD, *ODD)[begin:][: count or len(ODD)]


EVERY_VALUE = pytest.mark.slow("every odd value at every place: half a minute; each is at some place in the other lane")


@pytest.mark.parametrize("count", [9, pytest.param(None, marks=EVERY_VALUE)])
def test_odd_addresses_and_questions_are_answered(open_desk: FrontDesk, count: int | None) -> None:
    visitor = open_desk.visitor()

    def asked() -> Iterator[tuple[str, Page]]:
        questions = [(path, name) for path, names in QUERIES.items() for name in names]
        for place, (path, name) in enumerate(questions):
            for odd in some_of(place, count):
                address = f"{path}?{name}={quote(odd)}"
                yield address, visitor.open(address)
        for place, path in enumerate(IDS):
            for odd in some_of(place, count):
                address = path.format(quote(odd, safe=""))
                yield address, visitor.open(address, headers={"HX-Request": "true"})

    assert wrong(asked()) == []


@pytest.mark.parametrize("count", [2, pytest.param(None, marks=EVERY_VALUE)])
def test_odd_values_in_every_field_of_every_form_are_refused_or_taken_as_text(
    open_desk: FrontDesk, count: int | None
) -> None:
    visitor = open_desk.visitor()
    counts = "SELECT (SELECT count(*) FROM gazelle_pianos), (SELECT count(*) FROM desk_people)"
    before = open_desk.shop.query(counts)

    def sent() -> Iterator[tuple[str, Page]]:
        seen: set[tuple[str, str, str]] = set()
        for address in addresses(open_desk):
            for form in visitor.open(address).forms:
                if form.method != "post" or form.action in ("/language", "/people"):
                    continue
                for button in form.buttons or [("", "")]:
                    for name in [*form.fields, "fold", "minutes", "future", "force", "keep", "pianos", "other"]:
                        kind = (form.action.split("/")[1], form.fields.get("field", "") + str(button), name)
                        if name == "csrf" or kind in seen:
                            continue
                        seen.add(kind)
                        for odd in some_of(len(seen), count):
                            given = {**form.fields, "once": str(uuid.uuid4()), **dict([button]), name: odd}
                            answer = visitor.client.post(form.action, data=given, follow_redirects=False)
                            yield f"{form.action} {button} {name}={odd!r}", Page(answer)

    assert wrong(sent()) == []
    assert open_desk.shop.query(counts) == before


@pytest.mark.parametrize(
    "make",
    [
        lambda form: {**form, **{f"x{n}": "1" for n in range(2000)}},
        lambda form: {**form, "value": "x" * 60_000},
        lambda form: {**form, "x" * 100_000: "1"},
    ],
)
def test_a_huge_form_is_refused_and_the_desk_lives(
    open_desk: FrontDesk, make: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    visitor, piano = open_desk.visitor(), open_desk.some("gazelle_pianos")
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    answer = visitor.client.post(f"/pianos/{piano}", data=make(form))
    assert answer.status_code in (200, 403, 413, 422)
    assert visitor.open(f"/pianos/{piano}").status == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_a_form_of_another_type_is_none(open_desk: FrontDesk, kind: str) -> None:
    visitor = open_desk.visitor()
    visitor.open("/state")
    answer = visitor.client.post("/sync", content=b'{"csrf": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 403
    assert Page(answer).lang == "fr"


def test_a_piano_that_is_gone_is_shown_as_gone_and_one_that_never_was_is_not_found(open_desk: FrontDesk) -> None:
    piano = open_desk.some("gazelle_pianos")
    open_desk.shop.query("UPDATE gazelle_pianos SET deleted_at = now() WHERE external_id = %s", piano)
    page = open_desk.visitor().open(f"/pianos/{piano}")
    assert page.status == 200
    assert "Gazelle n'a plus ce piano" in page.text
    assert open_desk.visitor().open("/pianos/ins_nobody").status == 404


def test_a_sync_that_is_asked_for_twice_is_started_once(open_desk: FrontDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def start(*given: object) -> bool:
        started.append(given)
        return True

    monkeypatch.setattr(open_desk.desk.runs, "start", start)
    visitor = open_desk.visitor()
    page = visitor.open("/state")
    assert visitor.send(page, "/sync").status == 200
    assert "déjà été envoyé" in visitor.send(page, "/sync").text
    assert len(started) == 1


@pytest.mark.parametrize("language", ["fr", "en"])
def test_without_its_database_the_desk_says_so_and_goes_on_when_it_is_back(new_shop: Shop, language: str) -> None:
    with office_of(new_shop) as office:
        visitor = office.visitor()
        visitor.send("/", "/language", language=language)
        gone = office.visitor(database_url="postgresql://postgres@127.0.0.1:1/nothing")
        gone.client.cookies = visitor.client.cookies
        for address in ("/state", "/search?q=a", "/pianos/ins_1", "/invoices"):
            page = gone.open(address)
            assert (page.status, page.lang) == (503, language), address
            assert ("est injoignable" if language == "fr" else "cannot be reached") in page.text, page.text
        assert gone.open("/").status == 200
        new_shop.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert visitor.open("/invoices").status == 200, "a connection that was cut is not used again"


def test_a_session_is_another_one_after_the_login(open_desk: FrontDesk) -> None:
    from gazelle_sync.desk.access import set_person
    from gazelle_sync.warehouse.pool import borrow

    with borrow(open_desk.shop.url) as connection:
        set_person(connection, "Zoé", "staff", "une phrase assez longue", "test")
    victim = open_desk.visitor(desk_login="password")
    page = victim.open("/login")
    planted = dict(victim.client.cookies)
    before = page.form("/login").fields["csrf"]
    victim.send(page, "/login", name="Zoé", password="une phrase assez longue")
    assert dict(victim.client.cookies) != planted
    assert victim.open("/").form("/language").fields["csrf"] != before
    thief = Visitor(victim.desk)
    thief.client.cookies.update(planted)
    assert thief.client.get("/", follow_redirects=False).status_code == 303, "what was planted opens nothing"
