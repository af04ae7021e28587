"""Tokens that expire, rotate, and are shared by processes."""

from __future__ import annotations

import errno
import json
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gazelle_sync.errors import CredentialsRefused, SettingsError
from gazelle_sync.gazelle.auth import TokenFile, credentials_from
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.throttle import Throttle
from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync_tests.processes import Processes
from gazelle_sync_tests.shop import Shop

QUERY = "query Few { allClients(first: 1) { totalCount } }"


def write_token(shop: Shop) -> Path:
    path = shop.settings.token_file
    path.write_text(json.dumps(shop.admin.tokens()), encoding="utf-8")
    return path


@pytest.fixture
def oauth_shop(shop: Shop) -> Iterator[Shop]:
    """A shop with a token file instead of a key."""
    write_token(shop)
    shop.settings = replace(
        shop.settings, api_token=None, client_id=SANDBOX_CLIENT_ID, client_secret=SANDBOX_CLIENT_SECRET
    )
    yield shop
    shop.admin.reset_tokens()


def held(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shop.settings.token_file.read_text(encoding="utf-8"))
    return found


def refreshes(shop: Shop) -> int:
    return int(shop.admin.stats()["by_operation"].get("oauth token", 0))


def ask(shop: Shop) -> int:
    client = GazelleClient(shop.sandbox.url, credentials_from(shop.settings), Throttle(0, shop.url))
    try:
        return int(client.execute("Few", QUERY).data["allClients"]["totalCount"])
    finally:
        client.close()


def test_a_token_that_expires_in_the_middle_is_refreshed_once(oauth_shop: Shop) -> None:
    oauth_shop.admin.random_edits()
    oauth_shop.admin.fault("token_expired", times=1, after=4)
    oauth_shop.sync(Mode.DEEP, page_size=20)
    assert refreshes(oauth_shop) == 1
    assert held(oauth_shop)["access_token"] == oauth_shop.admin.tokens()["access_token"]
    oauth_shop.assert_equals_api()


def test_the_rotated_token_file_is_rewritten_whole_and_private(oauth_shop: Shop) -> None:
    before = held(oauth_shop)
    oauth_shop.admin.expire_token()
    oauth_shop.sync()
    after = held(oauth_shop)
    assert after["refresh_token"] != before["refresh_token"]
    assert after["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
    assert isinstance(after["created_at"], int)
    mode = stat.S_IMODE(oauth_shop.settings.token_file.stat().st_mode)
    assert mode == 0o600
    beside = {path.name for path in oauth_shop.settings.token_file.parent.glob(".token.json*")}
    assert beside <= {".token.json.lock"}


def test_two_processes_refresh_once(oauth_shop: Shop, processes: Processes) -> None:
    oauth_shop.admin.expire_token()
    oauth = {
        "GAZELLE_API_TOKEN": "", "GAZELLE_TOKEN_FILE": str(oauth_shop.settings.token_file),
        "GAZELLE_CLIENT_ID": SANDBOX_CLIENT_ID, "GAZELLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
    }  # fmt: skip
    both = [processes.begin(oauth_shop.environment(**oauth)) for _ in range(2)]
    assert [processes.end(pid) for pid in both] == [0, 0]
    assert refreshes(oauth_shop) == 1


def test_threads_that_meet_a_401_together_refresh_once(oauth_shop: Shop) -> None:
    oauth_shop.admin.settings(latency_ms=50)
    oauth_shop.admin.expire_token()
    oauth_shop.sync(Mode.DEEP)
    assert refreshes(oauth_shop) == 1


def test_what_another_process_wrote_is_taken_without_asking(oauth_shop: Shop) -> None:
    credentials = credentials_from(oauth_shop.settings)
    oauth_shop.admin.expire_token()
    assert ask(oauth_shop) > 0  # another client refreshes and rewrites the file
    stale = credentials.headers()
    assert credentials.refresh(stale)
    assert credentials.headers() != stale
    assert refreshes(oauth_shop) == 1


def test_a_refresh_token_that_is_refused_says_to_authorize_again_and_keeps_the_file(oauth_shop: Shop) -> None:
    path = oauth_shop.settings.token_file
    path.write_text(json.dumps(held(oauth_shop) | {"refresh_token": "used-up-long-ago"}), encoding="utf-8")
    before = path.read_bytes()
    oauth_shop.admin.expire_token()
    with pytest.raises(CredentialsRefused, match="Authorize the application again") as caught:
        ask(oauth_shop)
    assert "used-up-long-ago" not in str(caught.value)
    assert SANDBOX_CLIENT_SECRET not in str(caught.value)
    assert path.read_bytes() == before


def test_a_token_endpoint_that_is_down_keeps_the_refresh_token(oauth_shop: Shop) -> None:
    before = oauth_shop.settings.token_file.read_bytes()
    oauth_shop.admin.expire_token()
    oauth_shop.admin.fault("status", times=1, code=503, operation="/developer/oauth/token")
    assert ask(oauth_shop) > 0  # the second try refreshes
    assert oauth_shop.settings.token_file.read_bytes() != before
    assert refreshes(oauth_shop) == 1


def test_without_client_secret_an_expired_token_is_said_clearly(oauth_shop: Shop) -> None:
    oauth_shop.settings = replace(oauth_shop.settings, client_id=None, client_secret=None)
    oauth_shop.admin.expire_token()
    with pytest.raises(CredentialsRefused, match="401"):
        ask(oauth_shop)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not there"),
        ("{", "cannot be read as JSON"),
        ("[]", "holds no access_token"),
        ("{}", "holds no access_token"),
    ],
)
def test_a_token_file_that_cannot_be_used_says_why(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "token.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        TokenFile(path, "http://127.0.0.1:9", None, None)


@pytest.mark.parametrize("what", ["lock", "file"])
def test_a_folder_that_cannot_be_written_is_said_with_what_to_do(
    oauth_shop: Shop, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = held(oauth_shop)
    if what == "lock":
        oauth_shop.settings.token_file.with_name(".token.json.lock").mkdir()
    else:

        def refuse(**_: object) -> tuple[int, str]:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(tempfile, "mkstemp", refuse)
    oauth_shop.admin.expire_token()
    with pytest.raises(SettingsError, match="right to write in"):
        ask(oauth_shop)
    assert refreshes(oauth_shop) == 0
    assert held(oauth_shop) == before
