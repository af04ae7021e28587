"""The folder of a fleet: which shops there are, which files make no sense, what has changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gazelle_sync.errors import SettingsError
from gazelle_sync.fleet.folder import Folder, compare, environment_of, is_there, paths_of, read_folder, settings_of

GOOD = "GAZELLE_API_URL=https://gazelleapp.io\nGAZELLE_API_TOKEN=key-of-{shop}\n"
DATABASE = "GAZELLE_DATABASE_URL=postgresql://shop:pass-of-{shop}@db/{shop}\n"


def write(folder: Path, shop: str, text: str = GOOD + DATABASE, mode: int = 0o600) -> Path:
    path = folder / f"{shop}.env"
    path.write_text(text.replace("{shop}", shop), encoding="utf-8")
    path.chmod(mode)
    return path


def mounted(folder: Path, shop: str) -> Path:
    """As Kubernetes mounts a secret: a file a variable, by way of links, with a mode of its own."""
    place = folder / shop
    (place / "..data").mkdir(parents=True)
    for line in (GOOD + DATABASE).replace("{shop}", shop).splitlines():
        name, _, value = line.partition("=")
        (place / "..data" / name).write_text(f"{value}\n", encoding="utf-8")
        (place / name).symlink_to(f"..data/{name}")
    return place


def test_a_file_and_a_folder_of_mounted_secrets_are_both_shops(tmp_path: Path) -> None:
    write(tmp_path, "north")
    mounted(tmp_path, "south")
    found = read_folder(tmp_path)
    assert list(found.shops) == ["north", "south"]
    assert found.problems == {}
    for shop, path in found.shops.items():
        settings = settings_of(path, tmp_path / "homes")
        assert settings.api_token == f"key-of-{shop}"
        assert settings.database_url == f"postgresql://shop:pass-of-{shop}@db/{shop}"
        assert (settings.shop, settings.home) == (shop, tmp_path / "homes" / shop)
        assert settings.token_file == tmp_path / "homes" / shop / "token.json", "no two shops share a token file"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD, "GAZELLE_DATABASE_URL is missing"),
        (DATABASE, "GAZELLE_API_URL is missing"),
        (GOOD + DATABASE + "GAZELLE_API_TOKN=x\n", "GAZELLE_API_TOKN is not known"),
        (GOOD + DATABASE + "GAZELLE_LANG=de\n", "GAZELLE_LANG should be one of"),
        (GOOD + DATABASE + "GAZELLE_DAGSTER_POSTGRES_URL=postgresql://d/d\n", "belongs to the fleet"),
        (GOOD + DATABASE + "GAZELLE_SYNC_HOME=/elsewhere\n", "belongs to the fleet"),
        (GOOD + DATABASE + "GAZELLE_FLEET_AT_ONCE=9\n", "belongs to the fleet"),
        (GOOD + DATABASE + "PATH=/elsewhere\n", "PATH is not known"),
        (GOOD + DATABASE + "GAZELLE_LANG=fr\nnot an assignment\n", "line 5 cannot be read"),
        (GOOD + DATABASE + "GAZELLE_LANG='fr\n", "line 4 cannot be read"),
        (GOOD + DATABASE + "#" * 70_000, "is no file of a few lines"),
        (GOOD + "GAZELLE_DATABASE_URL=mysql://pass-secret@db/x\n", "is not a PostgreSQL address"),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_named_and_the_others_run(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "north")
    write(tmp_path, "bad", text)
    found = read_folder(tmp_path)
    assert list(found.shops) == ["north"]
    assert said in found.problems["bad"]
    assert "pass-" not in found.problems["bad"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_left_out(tmp_path: Path, mode: int) -> None:
    write(tmp_path, "north", mode=mode)
    found = read_folder(tmp_path)
    assert found.shops == {}
    assert "chmod 600 north.env" in found.problems["north"]


def test_a_pipe_or_a_device_keeps_nobody_who_reads_the_folder(tmp_path: Path) -> None:
    """Reading it would never end, and no shop had its turn."""
    write(tmp_path, "north")
    os.mkfifo(tmp_path / "pipe.env", mode=0o600)
    mounted(tmp_path, "south")
    os.mkfifo(tmp_path / "south" / "GAZELLE_LANG", mode=0o600)
    (tmp_path / "device.env").symlink_to("/dev/zero")
    found = read_folder(tmp_path)
    assert list(found.shops) == ["north"]
    assert set(found.problems) == {"pipe", "south", "device"}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost:5432"])
def test_a_database_of_this_machine_is_one_whatever_it_is_called(tmp_path: Path, host: str) -> None:
    write(tmp_path, "north", GOOD + "GAZELLE_DATABASE_URL=postgresql://shop@localhost/shop\n")
    write(tmp_path, "south", GOOD + f"GAZELLE_DATABASE_URL=postgresql://shop@{host}/shop\n")
    assert "the database of north" in read_folder(tmp_path).problems["south"]


def test_what_is_no_shops_file_is_named(tmp_path: Path) -> None:
    for name in ("README", "Nord.env", "-x.env", "a b.env", "é.env"):
        (tmp_path / name).touch(mode=0o600)
    (tmp_path / ".swp").touch()
    found = read_folder(tmp_path)
    assert found.shops == {}
    assert set(found.problems) == {"README", "Nord.env", "-x.env", "a b.env", "é.env"}


def test_a_file_in_another_encoding_is_named_without_its_line(tmp_path: Path) -> None:
    path = tmp_path / "north.env"
    path.write_bytes(b"GAZELLE_API_TOKEN=secr\xe9t\n")
    path.chmod(0o600)
    assert read_folder(tmp_path).problems == {"north": "it is not UTF-8."}


def test_two_shops_never_share_a_database_whoever_logs_in(tmp_path: Path) -> None:
    write(tmp_path, "north")
    write(tmp_path, "south", GOOD + "GAZELLE_DATABASE_URL=postgresql://another:word@DB/north?sslmode=require\n")
    found = read_folder(tmp_path)
    assert list(found.shops) == ["north"]
    assert "the database of north" in found.problems["south"]


def test_a_file_and_a_folder_of_one_name_are_one_shop_too_many(tmp_path: Path) -> None:
    mounted(tmp_path, "north")
    write(tmp_path, "north")
    found = read_folder(tmp_path)
    assert "there is a file and a folder" in found.problems["north"]


def test_a_run_finds_its_shops_without_a_look_at_the_others(tmp_path: Path) -> None:
    """A thousand files, each read by every run, were more work than the shops."""
    north, south = write(tmp_path, "north", "what a child says is wrong"), mounted(tmp_path, "south")
    write(tmp_path, "east")
    assert paths_of(tmp_path, ["north", "south", "gone"]) == {"north": north, "south": south}


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GAZELLE_FLEET_DIR"):
        read_folder(tmp_path / "nowhere")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "north")
    before = read_folder(tmp_path)
    assert read_folder(tmp_path) == before
    write(tmp_path, "north", GOOD + DATABASE + "GAZELLE_LANG=de\n")
    assert "north" in read_folder(tmp_path).problems
    write(tmp_path, "north")
    later = datetime.now(UTC) + timedelta(minutes=5)
    os.utime(path, (later.timestamp(), later.timestamp()))
    assert read_folder(tmp_path).changed_at["north"] > before.changed_at["north"]
    path.chmod(0o644)
    assert "north" in read_folder(tmp_path).problems
    path.unlink()
    assert read_folder(tmp_path) == Folder()
    assert not is_there(path)


def test_new_and_removed_shops_are_told_apart_from_those_whose_file_makes_no_sense(tmp_path: Path) -> None:
    write(tmp_path, "north")
    write(tmp_path, "bad", GOOD)
    change = compare(read_folder(tmp_path), ["bad", "gone"])
    assert (change.added, change.removed) == (("north",), ("gone",))


def test_a_token_files_place_is_relative_to_the_shops_file(tmp_path: Path) -> None:
    path = write(tmp_path, "north", GOOD + DATABASE + "GAZELLE_TOKEN_FILE=tokens/north.json\n")
    assert environment_of(path, tmp_path)["GAZELLE_TOKEN_FILE"] == str(tmp_path / "tokens" / "north.json")
