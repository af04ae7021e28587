"""`gazelle-sync init` tries what it is told, writes it where only its owner may read it, and says what comes next."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.cli import init as module
from gazelle_sync.cli.init import write_env
from gazelle_sync.errors import CommandRefused
from gazelle_sync.gazelle.auth import token_table
from gazelle_sync.sandbox import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync.settings import Settings
from gazelle_sync_tests.support.commands import Said, run_as_it_is
from gazelle_sync_tests.support.shop import Shop

SECRET = "a-key-that-nobody-may-read"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, with no variable of ours set."""
    for name in [name for name in os.environ if name.startswith("GAZELLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GAZELLE_SYNC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options_of(shop: Shop) -> list[str]:
    return [
        "--api-url", shop.sandbox.url, "--api-token", shop.sandbox.api_key, "--database-url", shop.url,
        "--dagster-postgres-url", shop.url, "--lang", "en", "--alert-urls", "",
    ]  # fmt: skip


def init(*arguments: str, said: str | None = None) -> Said:
    return run_as_it_is("init", *arguments, said=said)


def test_options_alone_are_tried_and_written_and_the_next_command_is_said(folder: Path, shop: Shop) -> None:
    ended = init(*options_of(shop), "--no-input")
    assert ended.returncode == 0, ended.text
    assert "✓ API: " in ended.text
    assert "Next: gazelle-sync sync" in ended.text
    assert shop.sandbox.api_key not in ended.text
    written = folder / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    settings = Settings.load({name: value or "" for name, value in dotenv_values(written).items()})
    assert (settings.api_url, settings.api_token) == (shop.sandbox.url, shop.sandbox.api_key)
    assert (settings.database_url, settings.alert_urls) == (shop.url, ())


@pytest.mark.parametrize(
    ("changed", "value", "finding"),
    [("--api-token", SECRET, "✗ API"), ("--database-url", f"postgresql://me:{SECRET}@127.0.0.1:1/x", "✗ database")],
)
def test_what_does_not_work_is_said_as_doctor_says_it_and_nothing_is_written(
    folder: Path, shop: Shop, changed: str, value: str, finding: str
) -> None:
    options = options_of(shop)
    options[options.index(changed) + 1] = value
    ended = init(*options, "--no-input")
    assert ended.returncode == 1
    assert finding in ended.text
    assert "was not written" in ended.text
    assert SECRET not in ended.text
    assert not (folder / ".env").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "words"), [([], "--api-url"), (["--api-url", "https://gazelleapp.io"], "--api-token")]
)
def test_without_a_terminal_what_is_missing_is_named_by_its_option(options: list[str], words: str) -> None:
    ended = init(*options)
    assert ended.returncode == 1
    assert words in ended.text


def test_what_no_option_says_is_asked_and_secrets_are_not_shown(
    folder: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_a_terminal", lambda: True)
    said = [shop.sandbox.url, shop.sandbox.api_key, shop.url, shop.url, "fr", ""]
    ended = init(said="".join(f"{line}\n" for line in said))
    assert ended.returncode == 0, ended.text
    assert "Gazelle's address" in ended.text
    assert shop.sandbox.api_key not in ended.text
    written = dotenv_values(folder / ".env")
    assert (written["GAZELLE_API_TOKEN"], written["GAZELLE_LANG"]) == (shop.sandbox.api_key, "fr")


def test_a_second_time_an_empty_line_keeps_what_is_set_and_what_was_written_by_hand_stays(
    folder: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init(*options_of(shop), "--no-input").returncode == 0
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.write("# how many at once\nGAZELLE_PAGE_SIZE=500\n")
    monkeypatch.setattr(module, "is_a_terminal", lambda: True)
    ended = init("--lang", "fr", said="\n" * 6)
    assert ended.returncode == 0, ended.text
    written = dotenv_values(folder / ".env")
    assert written["GAZELLE_API_TOKEN"] == shop.sandbox.api_key
    assert (written["GAZELLE_LANG"], written["GAZELLE_PAGE_SIZE"]) == ("fr", "500")
    assert "# how many at once" in (folder / ".env").read_text(encoding="utf-8")


def test_with_oauth_and_the_token_in_the_database_a_key_is_made(folder: Path, shop: Shop) -> None:
    (folder / "answer.json").write_text(json.dumps(shop.admin.tokens()), encoding="utf-8")
    options = options_of(shop)
    place = options.index("--api-token")
    options[place : place + 2] = [
        "--client-id", SANDBOX_CLIENT_ID, "--client-secret", SANDBOX_CLIENT_SECRET,
        "--token-file", str(folder / "answer.json"), "--token-store", "database",
    ]  # fmt: skip
    ended = init(*options, "--no-input")
    assert ended.returncode == 0, ended.text
    settings = Settings.load({name: value or "" for name, value in dotenv_values(folder / ".env").items()})
    assert len(settings.token_key) == 1
    assert token_table(settings).read()["access_token"] == shop.admin.tokens()["access_token"]
    again = init(*options, "--no-input")
    assert again.returncode == 0, again.text
    assert dotenv_values(folder / ".env")["GAZELLE_TOKEN_KEY"] == settings.token_key[0], "the key stays"


@pytest.mark.usefixtures("folder")
def test_the_templates_are_copied_into_a_new_folder_only(folder: Path, shop: Shop) -> None:
    ended = init(*options_of(shop), "--no-input", "--templates", "templates")
    assert ended.returncode == 0, ended.text
    assert (folder / "templates" / "compose.yaml").exists()
    ended = init(*options_of(shop), "--no-input", "--templates", "templates")
    assert ended.returncode == 1
    assert "name a new folder" in ended.text


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))


@given(values=st.dictionaries(st.sampled_from(["GAZELLE_A", "GAZELLE_B", "GAZELLE_C"]), VALUES, min_size=1))
def test_whatever_is_written_is_read_as_it_was(
    values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("env") / ".env"
    path.write_text("OTHER=1\nexport GAZELLE_A=old\n", encoding="utf-8")
    if any("${" in value or (set(value) & {"'", "\\"} and set(value) & {"$", "`"}) for value in values.values()):
        with pytest.raises(CommandRefused, match=r"%24|%27"):
            write_env(path, values)
        return
    write_env(path, values)
    write_env(path, values)
    expected = {name: value for name, value in values.items() if value}
    kept = {} if "GAZELLE_A" in values else {"GAZELLE_A": "old"}
    assert dotenv_values(path) == {"OTHER": "1"} | kept | expected
    assert read_by_a_shell(path, "GAZELLE_A", "GAZELLE_B", "GAZELLE_C") == kept | expected, "as systemd's units do"


def read_by_a_shell(path: Path, *names: str) -> dict[str, str]:
    script = f"set -a; . {path}; env -0"
    said = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env={}).stdout.decode("utf-8")
    found = dict(line.split("=", 1) for line in said.split("\0") if line)
    return {name: found[name] for name in names if name in found}


def test_what_would_be_read_as_several_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="line break"):
        write_env(tmp_path / ".env", {"GAZELLE_ALERT_URLS": "json://one\nGAZELLE_API_URL=json://two"})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_before_anything_is_tried(folder: Path, shop: Shop) -> None:
    (folder / "a_folder").mkdir()
    (folder / "a_file").touch()
    for place in ("a_folder", "a_file/.env", "/proc/nowhere/.env"):
        ended = init(*options_of(shop), "--no-input", "--file", place)
        assert ended.returncode == 1
        assert "cannot be written" in ended.text or "no file that you may write" in ended.text, ended.text
        assert "fault of gazelle_sync" not in ended.text
