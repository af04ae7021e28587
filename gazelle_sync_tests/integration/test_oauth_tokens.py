"""Tokens that expire, rotate, and are shared by processes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gazelle_sync.errors import CredentialsRefused, SettingsError
from gazelle_sync.gazelle.auth import credentials_from
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.throttle import Throttle
from gazelle_sync.gazelle.token_file import TokenFile, _overwrite, newer_token_file, token_file_in_use
from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.shop import Shop

QUERY = "query Few { allClients(first: 1) { totalCount } }"


@pytest.fixture
def oauth_shop(shop: Shop) -> Iterator[Shop]:
    """A shop with a token file instead of a key."""
    shop.settings = shop.settings.replace(**shop.oauth())
    yield shop
    shop.admin.reset_tokens()


def held(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shop.settings.token_file.read_text(encoding="utf-8"))
    return found


def refreshes(shop: Shop) -> int:
    return int(shop.admin.stats()["by_operation"].get("oauth token", 0))


def new_client(shop: Shop) -> GazelleClient:
    return GazelleClient(shop.sandbox.url, credentials_from(shop.settings), Throttle(0, shop.url))


def ask(shop: Shop) -> int:
    with closing(new_client(shop)) as client:
        return count_clients(client)


def count_clients(client: GazelleClient) -> int:
    return int(client.execute("Few", QUERY).data["allClients"]["totalCount"])


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


def test_what_another_process_wrote_long_ago_is_refreshed(oauth_shop: Shop) -> None:
    """Found by the fault campaign: the file's token was another than ours, and had ended as well."""
    with closing(new_client(oauth_shop)) as client:
        oauth_shop.admin.expire_token()
        assert ask(oauth_shop) > 0  # another client refreshes and rewrites the file
        oauth_shop.admin.expire_token()
        assert count_clients(client) > 0
    assert refreshes(oauth_shop) == 2


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
    oauth_shop.settings = oauth_shop.settings.replace(client_id=None, client_secret=None)
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


@contextmanager
def mounted_by_itself(path: Path, *options: str) -> Iterator[None]:
    """The file is a mount of its own, as a file is that a container is given: it cannot be replaced."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a file")
    done = subprocess.run(["mount", "--bind", str(path), str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted here: {done.stderr.strip()}")
    try:
        if options:
            subprocess.run(["mount", "-o", ",".join(["remount", "bind", *options]), str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_token_file_that_cannot_be_replaced_is_written_in_place(oauth_shop: Shop) -> None:
    path = oauth_shop.settings.token_file
    with mounted_by_itself(path):
        with pytest.raises(OSError, match="busy"):
            Path(shutil.copy(path, path.with_name("other.json"))).replace(path)
        oauth_shop.admin.expire_token()
        assert ask(oauth_shop) > 0
        assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
        oauth_shop.admin.expire_token()
        assert ask(oauth_shop) > 0, "and the time after"
    assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
    assert not newer_token_file(path).exists()


def test_a_token_that_cannot_be_written_into_its_file_is_kept_beside_it_and_found_there(oauth_shop: Shop) -> None:
    path = oauth_shop.settings.token_file
    before = held(oauth_shop)
    with mounted_by_itself(path, "ro"):
        for _ in range(2):
            oauth_shop.admin.expire_token()
            with capture_logs() as lines:
                assert ask(oauth_shop) > 0, "a new client finds the token that the one before it kept"
            [warning] = [line for line in lines if line["log_level"] == "warning"]
            assert warning["kept"] == str(newer_token_file(path))
        assert held(oauth_shop) == before
        assert token_file_in_use(path) == newer_token_file(path)
        assert stat.S_IMODE(newer_token_file(path).stat().st_mode) == 0o600
    assert refreshes(oauth_shop) == 2
    oauth_shop.admin.expire_token()
    assert ask(oauth_shop) > 0
    assert held(oauth_shop)["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"]
    assert not newer_token_file(path).exists()


def test_what_a_person_saves_in_the_token_file_counts_before_an_older_token_that_was_kept_beside_it(
    oauth_shop: Shop,
) -> None:
    path = oauth_shop.settings.token_file
    newer_token_file(path).write_text(json.dumps(held(oauth_shop) | {"access_token": "kept"}), encoding="utf-8")
    os.utime(newer_token_file(path), (1, 1))
    assert credentials_from(oauth_shop.settings).headers() != {"Authorization": "Bearer kept"}
    os.utime(path, (0, 0))
    assert credentials_from(oauth_shop.settings).headers() == {"Authorization": "Bearer kept"}


def test_a_token_that_is_written_in_place_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "a" * 2000}) + " " * 8192, encoding="utf-8")
    written: list[str] = []

    class Watched(FileIO):
        def write(self, data: Any) -> int:
            count = super().write(data)
            written.append(path.read_text(encoding="utf-8"))
            return count

    with Watched(path, "r+b") as file:
        _overwrite(file, {"access_token": "short"})
    assert [json.loads(text) for text in written] == [{"access_token": "short"}]
    assert path.read_text(encoding="utf-8") == json.dumps({"access_token": "short"}, indent=2)


IN_A_CLOSED_FOLDER = """
import json, os, sys
from pathlib import Path
import httpx
from gazelle_sync.gazelle.token_file import TokenFile
path, url, client, secret = sys.argv[1:]
httpx.post(url).close()  # that user may not read Python itself
os.setgroups([]); os.setgid(65534); os.setuid(65534)
token = TokenFile(Path(path), url, client, secret)
token.refresh(token.headers())
"""


@pytest.mark.parametrize("is_ours", [True, False])
def test_in_a_folder_without_write_right_the_file_is_written_or_the_refresh_token_is_not_spent(
    oauth_shop: Shop, is_ours: bool
) -> None:
    """Another user's process: root may write everywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "token.json"
        Path(name).chmod(0o755)
        path.write_text(json.dumps(held(oauth_shop)), encoding="utf-8")
        path.chmod(0o644)
        if is_ours:
            os.chown(path, 65534, 65534)
        command = [sys.executable, "-c", IN_A_CLOSED_FOLDER, str(path), oauth_shop.sandbox.url]
        done = subprocess.run(
            [*command, SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET], capture_output=True, text=True, check=False
        )
        after = json.loads(path.read_text(encoding="utf-8"))
    assert after["refresh_token"] == oauth_shop.admin.tokens()["refresh_token"], done.stderr
    assert refreshes(oauth_shop) == is_ours, done.stderr
    assert (done.returncode == 0) == is_ours
    assert is_ours or "The refresh token was not used" in done.stderr


@pytest.mark.parametrize("what", ["lock", "part"])
def test_a_place_beside_that_cannot_be_written_is_said_with_what_to_do(oauth_shop: Shop, what: str) -> None:
    before = held(oauth_shop)
    oauth_shop.settings.token_file.with_name(f".token.json.{what}").mkdir()
    oauth_shop.admin.expire_token()
    with pytest.raises(SettingsError, match="right to write in"):
        ask(oauth_shop)
    assert refreshes(oauth_shop) == 0
    assert held(oauth_shop) == before
