"""The OAuth token in the shop's database: encrypted, rotated once, whoever refreshes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from gazelle_sync.errors import ApiUnreachable, CredentialsRefused, CredentialsUnusable, DatabaseError, SettingsError
from gazelle_sync.gazelle import oauth
from gazelle_sync.gazelle import token_table as module
from gazelle_sync.gazelle.auth import credentials_from, token_table
from gazelle_sync.sandbox import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.shop import Shop


def new_key() -> str:
    return Fernet.generate_key().decode()


KEY = new_key()


@pytest.fixture
def oauth_shop(shop: Shop) -> Iterator[Shop]:
    """A shop whose token came by a file, and was moved into the database."""
    shop.settings = shop.settings.replace(**shop.oauth(), token_store="database", token_key=(KEY,))
    token_table(shop.settings).read()
    shop.settings.token_file.unlink()
    yield shop
    shop.admin.reset_tokens()


def refreshes(shop: Shop) -> int:
    return int(shop.admin.stats()["by_operation"].get("oauth token", 0))


def held(shop: Shop) -> dict[str, Any]:
    sealed = shop.value("SELECT sealed FROM sync_tokens")
    found: dict[str, Any] = json.loads(Fernet(KEY).decrypt(sealed))
    return found


def test_the_answer_in_the_file_is_moved_and_nothing_of_it_can_be_read_in_the_database(oauth_shop: Shop) -> None:
    assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
    row = str(oauth_shop.rows("sync_tokens"))
    assert oauth_shop.admin.tokens()["access_token"] not in row
    assert oauth_shop.admin.tokens()["refresh_token"] not in row
    for role, may in {"gazelle_reader": False, "gazelle_writer": True}.items():
        assert oauth_shop.value("SELECT has_table_privilege(%s, 'sync_tokens', 'SELECT')", role) is may


def test_a_pull_refreshes_it_and_keeps_what_gazelle_gave(oauth_shop: Shop) -> None:
    oauth_shop.admin.expire_token()
    oauth_shop.sync()
    assert refreshes(oauth_shop) == 1
    assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
    oauth_shop.assert_equals_api()


def test_two_processes_that_meet_a_401_together_refresh_once(oauth_shop: Shop, processes: Processes) -> None:
    oauth_shop.admin.settings(latency_ms=20)
    oauth_shop.admin.expire_token()
    named = {
        "GAZELLE_API_TOKEN": "", "GAZELLE_TOKEN_STORE": "database", "GAZELLE_TOKEN_KEY": KEY,
        "GAZELLE_CLIENT_ID": SANDBOX_CLIENT_ID, "GAZELLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
    }  # fmt: skip
    both = [processes.begin(oauth_shop.environment(**named)) for _ in range(2)]
    assert [processes.end(pid) for pid in both] == [0, 0]
    assert refreshes(oauth_shop) == 1


def test_while_one_asks_gazelle_another_waits_and_takes_what_it_got(
    oauth_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (token_table(oauth_shop.settings) for _ in range(2))
    stale = first.headers()
    assert second.headers() == stale
    oauth_shop.admin.expire_token()
    asked, may_go = threading.Event(), threading.Event()
    spent: list[str] = []

    def slow(client: Any, token: Any, place: Any) -> Any:
        spent.append(token["refresh_token"])
        asked.set()
        assert may_go.wait(30)
        return real(client, token, place)

    real = oauth.refreshed
    monkeypatch.setattr(module, "refreshed", slow)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda one=one: answers.append(one.refresh(stale))) for one in (first, second)]
    threads[0].start()
    assert asked.wait(30)
    threads[1].start()
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'sync_tokens'"
    while not oauth_shop.value(blocked):
        assert threads[1].is_alive()
    may_go.set()
    for thread in threads:
        thread.join()
    assert answers == [True, True]
    assert len(spent) == 1
    assert first.headers() == second.headers() != stale


def test_a_database_that_takes_no_changes_spends_no_refresh_token(oauth_shop: Shop) -> None:
    oauth_shop.admin.expire_token()
    credentials = token_table(oauth_shop.settings)
    stale = credentials.headers()
    name = oauth_shop.value("SELECT current_database()")
    oauth_shop.query(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with pytest.raises(DatabaseError, match="accepts no changes"):
        credentials.refresh(stale)
    assert refreshes(oauth_shop) == 0


def test_a_connection_that_is_lost_after_gazelles_answer_loses_no_token(
    oauth_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(client: Any, token: Any, place: Any) -> Any:
        answer = real(client, token, place)
        oauth_shop.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        return answer

    real = oauth.refreshed
    monkeypatch.setattr(module, "refreshed", cut)
    oauth_shop.admin.expire_token()
    credentials = token_table(oauth_shop.settings)
    assert credentials.refresh(credentials.headers())
    assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]


def test_gazelle_out_of_reach_keeps_the_token_as_it_was(oauth_shop: Shop) -> None:
    before = held(oauth_shop)
    oauth_shop.admin.expire_token()
    oauth_shop.admin.fault("status", times=1, code=503, operation="/developer/oauth/token")
    credentials = token_table(oauth_shop.settings)
    with pytest.raises(ApiUnreachable):
        credentials.refresh(credentials.headers())
    assert held(oauth_shop) == before


def test_a_key_that_does_not_fit_is_said_with_both_ways_out(oauth_shop: Shop) -> None:
    oauth_shop.settings = oauth_shop.settings.replace(token_key=(new_key(),))
    with pytest.raises(CredentialsUnusable, match="name both, the new one first") as error:
        token_table(oauth_shop.settings).headers()
    assert str(oauth_shop.settings.token_file) in str(error.value)
    assert KEY not in str(error.value)


def test_without_a_key_the_command_that_makes_one_is_named(oauth_shop: Shop) -> None:
    with pytest.raises(SettingsError, match="init --token-store database"):
        credentials_from(oauth_shop.settings.replace(token_key=()))


def test_a_new_key_before_the_old_one_takes_over_at_the_next_read(oauth_shop: Shop) -> None:
    new = new_key()
    assert token_table(oauth_shop.settings.replace(token_key=(new, KEY))).headers()
    assert token_table(oauth_shop.settings.replace(token_key=(new,))).headers(), "the old key is not needed any more"
    with pytest.raises(CredentialsUnusable):
        token_table(oauth_shop.settings).headers()


def test_a_newer_answer_in_the_file_counts_even_where_the_key_is_lost(oauth_shop: Shop) -> None:
    shop = oauth_shop
    shop.settings = shop.settings.replace(token_key=(new_key(),))
    older = shop.admin.tokens() | {"access_token": "older", "created_at": 1}
    shop.settings.token_file.write_text(json.dumps(older), encoding="utf-8")
    with pytest.raises(CredentialsUnusable):
        token_table(shop.settings).headers()
    newer = shop.admin.tokens() | {"created_at": shop.admin.tokens()["created_at"] + 60}
    shop.settings.token_file.write_text(json.dumps(newer), encoding="utf-8")
    assert token_table(shop.settings).headers() == {"Authorization": f"Bearer {newer['access_token']}"}
    shop.settings.token_file.unlink()
    assert token_table(shop.settings).headers(), "it was moved"


def test_a_process_that_goes_on_takes_what_a_person_has_authorized_meanwhile(oauth_shop: Shop) -> None:
    credentials = token_table(oauth_shop.settings)
    stale = credentials.headers()
    answer = oauth_shop.admin.tokens()
    newer = answer | {"access_token": "authorized-again", "created_at": answer["created_at"] + 60}
    oauth_shop.settings.token_file.write_text(json.dumps(newer), encoding="utf-8")
    assert credentials.refresh(stale)
    assert credentials.headers() == {"Authorization": "Bearer authorized-again"}
    assert refreshes(oauth_shop) == 0


def test_a_refused_refresh_token_says_to_authorize_again_and_stays(oauth_shop: Shop) -> None:
    credentials = token_table(oauth_shop.settings)
    stale = credentials.headers()
    before = held(oauth_shop)
    oauth_shop.admin.reset_tokens()
    oauth_shop.admin.expire_token()
    with psycopg.connect(oauth_shop.url) as connection:
        used_up = Fernet(KEY).encrypt(json.dumps(before | {"refresh_token": "used-up"}).encode()).decode()
        connection.execute("UPDATE sync_tokens SET sealed = %s", [used_up])
    with pytest.raises(CredentialsRefused, match="Authorize the application again"):
        credentials.refresh(stale)
    assert held(oauth_shop)["refresh_token"] == "used-up"


def test_before_the_migration_the_file_serves_and_a_database_without_either_says_what_to_save(
    oauth_shop: Shop, databases: Databases
) -> None:
    with databases.temporary("template1") as empty:
        settings = oauth_shop.settings.replace(database_url=empty)
        with pytest.raises(CredentialsUnusable, match="save the answer"):
            token_table(settings).headers()
        settings.token_file.write_text(json.dumps(oauth_shop.admin.tokens()), encoding="utf-8")
        assert token_table(settings).headers()
