"""The desk answers its own pages alone: names, origins, forms, logins, roles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from gazelle_sync.desk import access
from gazelle_sync.desk.access import set_person
from gazelle_sync.desk.app import build_app
from gazelle_sync.desk.desk import Desk, assert_safe, signing_key
from gazelle_sync.errors import CommandRefused, SettingsError
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.desk import FrontDesk, Page, TestClient, Visitor

EVERYWHERE = "0.0.0.0"  # noqa: S104
PASSWORD = "une phrase assez longue"


REAL_HASHER = access._hasher


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password costs a fifth of a second of a processor, as it should, and no test but one speaks of that."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(access, "_hasher", lambda: hasher)
    monkeypatch.setattr(access, "_nobodys_hash", lambda: hasher.hash("nobody's password"))


@pytest.fixture
def real_hashes(cheap_hashes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes as they are at work."""
    monkeypatch.setattr(access, "_hasher", REAL_HASHER)


@pytest.fixture
def piano(front_desk: FrontDesk) -> str:
    return front_desk.some("gazelle_pianos")


def person(front_desk: FrontDesk, name: str, role: str, password: str | None = PASSWORD) -> None:
    with borrow(front_desk.shop.url) as connection:
        set_person(connection, name, role, password, "test")


def signed_in(front_desk: FrontDesk, name: str, password: str = PASSWORD) -> tuple[Visitor, Page]:
    visitor = front_desk.visitor(desk_login="password")
    return visitor, visitor.send("/login", "/login", name=name, password=password)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "localhost.evil", "[::2]"]
)
def test_an_unknown_host_is_refused(visitor: Visitor, host: str) -> None:
    answer = visitor.client.get("/", headers={"Host": host})
    assert answer.status_code == 400
    assert "form" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "localhost"])
def test_the_names_of_this_machine_are_known(visitor: Visitor, host: str) -> None:
    assert visitor.client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:3000", "https://127.0.0.1:8765", "http://localhost:8765"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused(visitor: Visitor, front_desk: FrontDesk, origin: str, method: str) -> None:
    form = visitor.open("/state").form("/sync").fields
    address = "/state" if method == "GET" else "/sync"
    answer = visitor.client.request(
        method, address, data=form if method == "POST" else None, headers={"Origin": origin}
    )
    assert answer.status_code == 403
    assert front_desk.shop.value("SELECT count(*) FROM desk_changes") == 0


def test_our_own_origin_is_let_in(visitor: Visitor, piano: str) -> None:
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    answer = visitor.client.post(
        f"/pianos/{piano}", data={**form, "value": "oui"}, headers={"Origin": "http://127.0.0.1:8765"}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_a_form_without_the_sessions_token_is_refused(
    visitor: Visitor, front_desk: FrontDesk, piano: str, token: str | None
) -> None:
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    given = {name: value for name, value in form.items() if name != "csrf"} | ({} if token is None else {"csrf": token})
    assert visitor.client.post(f"/pianos/{piano}", data={**given, "value": "x"}).status_code == 403
    stranger = front_desk.visitor()
    assert stranger.client.post(f"/pianos/{piano}", data={**form, "value": "x"}).status_code == 403
    assert front_desk.shop.value("SELECT count(*) FROM vincent_dindy_piano_updates") == 0


def test_every_answer_forbids_what_a_page_of_ours_does_not_need(visitor: Visitor) -> None:
    for address in ("/", "/nowhere", "/static/desk.css", "/static/nothing"):
        headers = visitor.client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy
    assert visitor.client.get("/").headers["cache-control"] == "no-store"
    assert "immutable" in visitor.client.get("/static/desk.css").headers["cache-control"]
    assert visitor.client.get("/", headers={"Host": "evil.example"}).headers["content-security-policy"]


def test_no_page_loads_anything_from_elsewhere(visitor: Visitor, front_desk: FrontDesk, piano: str) -> None:
    for address in ("/", f"/pianos/{piano}", "/state", "/agenda", "/stock"):
        html = visitor.open(address).html
        for attribute in ('src="', 'href="'):
            targets = {part.split('"')[0] for part in html.split(attribute)[1:]}
            assert {one for one in targets if not one.startswith(("/", "#"))} <= {front_desk.desk.settings.ui_url}
        assert "style=" not in html
        assert "onclick" not in html
        assert html.count("<script") == html.count('<script src="/static/')


def test_a_proxy_in_front_of_a_desk_without_a_login_is_noticed(visitor: Visitor) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert visitor.client.get("/", headers={header: "192.0.2.1"}).status_code == 403


def test_a_form_that_is_too_large_is_refused(visitor: Visitor, piano: str) -> None:
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    assert visitor.client.post(f"/pianos/{piano}", data={**form, "value": "x" * 600_000}).status_code == 413
    assert visitor.client.post(f"/pianos/{piano}", data={**form, "value": "x" * 60_000}).status_code == 422


def test_an_error_of_ours_is_a_page_that_quotes_nothing(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("un secret")

    monkeypatch.setattr("gazelle_sync.desk.search.find", fail)
    page = visitor.open("/search?q=x")
    assert page.status == 500
    assert "un secret" not in page.html
    assert page.lang == "fr"


# ---- elsewhere


def test_from_another_machine_there_is_a_login_or_nothing(front_desk: FrontDesk) -> None:
    assert_safe(Settings(), "127.0.0.1")
    for settings, host in (
        (Settings(), EVERYWHERE), (Settings(), "192.0.2.7"),
        (Settings(desk_url="https://bureau.example.com"), "127.0.0.1"), (Settings(desk_login="proxy"), "127.0.0.1"),
    ):  # fmt: skip
        with pytest.raises(SettingsError):
            assert_safe(settings, host)
    assert_safe(Settings(desk_url="https://bureau.example.com", desk_login="password"), EVERYWHERE)
    ended = run_command(front_desk.shop, "desk", "--host", EVERYWHERE, "--port", "0")
    assert ended.returncode == 1
    assert "GAZELLE_DESK_LOGIN" in ended.stderr


def test_the_public_address_is_known_and_its_cookies_are_for_https_alone(front_desk: FrontDesk) -> None:
    settings = front_desk.shop.settings.replace(desk_url="https://bureau.example.com", desk_login="password")
    client = TestClient(build_app(Desk(settings)), base_url="https://bureau.example.com", follow_redirects=False)
    answer = client.get("/login")
    assert answer.status_code == 200
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" in answer.headers
    assert client.get("/login", headers={"Origin": "https://bureau.example.com"}).status_code == 200


def test_who_is_not_signed_in_sees_the_login_alone_and_comes_back_to_the_page(
    front_desk: FrontDesk, piano: str
) -> None:
    person(front_desk, "Zoé", "staff")
    visitor = front_desk.visitor(desk_login="password")
    for address in ("/", f"/pianos/{piano}", "/search?q=x", "/state", "/nowhere"):
        answer = visitor.client.get(address, follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
    assert visitor.client.post("/sync", data={}, follow_redirects=False).status_code == 303
    page = visitor.send(f"/pianos/{piano}", "/login", name="Zoé", password=PASSWORD)
    assert str(page.answer.url).endswith(f"/pianos/{piano}")
    assert "Vous êtes Zoé" in page.text
    assert visitor.edit(piano, "notes", "Par Zoé").status == 200
    assert front_desk.shop.value("SELECT updated_by FROM vincent_dindy_piano_updates") == "Zoé"
    assert front_desk.shop.value("SELECT who FROM desk_changes") == "Zoé"
    visitor.send("/", "/logout")
    assert visitor.client.get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil"]
)
def test_the_login_leads_to_our_own_pages_alone(front_desk: FrontDesk, target: str) -> None:
    person(front_desk, "Zoé", "staff")
    visitor = front_desk.visitor(desk_login="password")
    form = visitor.open("/login").form("/login").fields
    answer = visitor.client.post(
        "/login", data={**form, "name": "Zoé", "password": PASSWORD, "next": target}, follow_redirects=False
    )
    assert answer.headers["location"] == "/"


def test_a_wrong_name_and_a_wrong_password_are_told_alike(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé", "staff")
    person(front_desk, "Par le proxy", "staff", None)
    texts = {signed_in(front_desk, name, word)[1].text.replace(name, "") for name, word in (
        ("Zoé", "faux"), ("Personne", "faux"), ("Par le proxy", ""), ("Par le proxy", "nobody's password"),
    )}  # fmt: skip
    assert len(texts) == 1


def test_after_five_failures_even_the_right_password_waits(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé", "staff")
    person(front_desk, "Ben", "staff")
    for _ in range(5):
        assert signed_in(front_desk, "Zoé", "faux")[1].status == 403
    refused = signed_in(front_desk, "Zoé")[1]
    assert refused.status == 429
    assert "15 minutes" in refused.text
    assert signed_in(front_desk, "Ben")[1].status == 200, "others are let in"
    front_desk.shop.query("UPDATE desk_logins SET at = at - interval '16 minutes'")
    assert signed_in(front_desk, "Zoé")[1].status == 200


@pytest.mark.usefixtures("real_hashes")
def test_passwords_are_kept_by_argon2_and_nowhere_else(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé", "staff")
    signed_in(front_desk, "Zoé")
    assert str(front_desk.shop.value("SELECT password_hash FROM desk_people")).startswith(
        "$argon2id$v=19$m=65536,t=3,p=4$"
    ), "64 MB and three passes, as RFC 9106 advises where memory is scarce"
    rows = front_desk.shop.query("SELECT to_jsonb(l)::text FROM desk_logins AS l")
    assert PASSWORD not in str(rows)
    with borrow(front_desk.shop.url) as connection, pytest.raises(CommandRefused):
        set_person(connection, "Court", "staff", "court", "test")


def test_another_password_or_role_ends_the_sessions(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé", "staff")
    visitor, _ = signed_in(front_desk, "Zoé")
    assert visitor.client.get("/", follow_redirects=False).status_code == 200
    person(front_desk, "Zoé", "reader", None)
    assert visitor.client.get("/", follow_redirects=False).status_code == 303


def test_a_cookie_that_somebody_wrote_is_none(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé", "owner")
    visitor = front_desk.visitor(desk_login="password")
    visitor.client.cookies.set("gazelle_desk_8765", "eyJuYW1lIjogIlpvw6kiLCAibnVtYmVyIjogMX0=.aaaaaa.bbbb")
    assert visitor.client.get("/", follow_redirects=False).status_code == 303


def test_a_reader_sees_and_changes_nothing(front_desk: FrontDesk, piano: str) -> None:
    person(front_desk, "Lise", "reader")
    visitor, page = signed_in(front_desk, "Lise")
    assert page.status == 200
    shown = visitor.open(f"/pianos/{piano}")
    assert [form.action for form in shown.forms if form.method == "post"] == ["/language", "/logout"]
    token = shown.form("/language").fields["csrf"]
    for address in (
        f"/pianos/{piano}",
        "/sync",
        "/push",
        "/stock/item",
        "/agenda/new",
        "/alerts/1",
        "/conflicts/1",
        "/people",
        "/invoices/new",
        "/invoices/drafts/1",
        "/invoices/inv_1/payments",
    ):
        answer = visitor.client.post(address, data={"csrf": token, "once": "d9428888-122b-11e1-b85c-61cd3cbb3210"})
        assert answer.status_code == 403, address
    assert visitor.open("/people").status == 403
    assert front_desk.shop.value("SELECT count(*) FROM desk_changes") == 0


def test_staff_edits_and_an_owner_says_who_may(front_desk: FrontDesk, piano: str) -> None:
    person(front_desk, "Ben", "staff")
    person(front_desk, "Odile", "owner")
    ben, _ = signed_in(front_desk, "Ben")
    assert ben.edit(piano, "notes", "oui").status == 200
    assert (ben.open("/people").status, ben.open("/journal").status) == (403, 403)
    odile, _ = signed_in(front_desk, "Odile")
    assert "oui" in odile.open("/journal").text
    added = odile.send("/people", "/people", name="Lise", role="reader", password=PASSWORD, action="set")
    assert "Lise" in added.text
    assert signed_in(front_desk, "Lise")[1].status == 200
    refused = odile.send("/people", "/people", {"name": "Odile"}, action="remove")
    assert refused.status == 422, "nobody locks themselves out"
    odile.send("/people", "/people", {"name": "Lise"}, action="remove")
    assert front_desk.shop.value("SELECT count(*) FROM desk_people WHERE name = 'Lise'") == 0


# ---- a proxy says who it is


def by_proxy(front_desk: FrontDesk, address: str, **headers: str) -> Any:
    settings = front_desk.shop.settings.replace(
        desk_login="proxy", desk_proxy_header="X-Remote-User", desk_proxies=("192.0.2.1",)
    )
    client = TestClient(build_app(Desk(settings)), base_url="http://127.0.0.1:8765", client=(address, 50000))
    return client.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_proxys_word_counts_from_its_own_address_alone(front_desk: FrontDesk) -> None:
    person(front_desk, "Zoé".encode().decode("latin-1"), "staff", None)
    person(front_desk, "zoe", "staff", None)
    assert by_proxy(front_desk, "192.0.2.1", X_Remote_User="zoe").status_code == 200
    assert by_proxy(front_desk, "192.0.2.9", X_Remote_User="zoe").status_code == 403
    assert by_proxy(front_desk, "192.0.2.9", X_Remote_User="zoe", X_Forwarded_For="192.0.2.1").status_code == 403
    assert by_proxy(front_desk, "192.0.2.1").status_code == 403
    assert by_proxy(front_desk, "192.0.2.1", X_Remote_User="inconnu").status_code == 403


# ---- the key and the commands


def test_the_key_is_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    key = signing_key(settings)
    assert signing_key(settings) == key
    assert len(key) > 40
    assert oct(os.stat(tmp_path / "home" / "desk.key").st_mode)[-3:] == "600"  # noqa: PTH116
    assert signing_key(settings.replace(desk_secret="s" * 40)) == "s" * 40
    with pytest.raises(SettingsError, match="GAZELLE_DESK_SECRET"):
        Settings.load({"GAZELLE_DESK_SECRET": "court"})


def test_people_are_added_shown_and_removed_by_commands(front_desk: FrontDesk) -> None:
    shop = front_desk.shop
    assert run_command(shop, "desk", "add", "Zoé", "--role", "owner", "--without-password").returncode == 0
    shown = run_command(shop, "desk", "people", "--json")
    assert '"name": "Zoé"' in shown.stdout
    assert '"role": "owner"' in shown.stdout
    assert run_command(shop, "desk", "remove", "Zoé").returncode == 0
    assert run_command(shop, "desk", "remove", "Zoé").returncode == 1
