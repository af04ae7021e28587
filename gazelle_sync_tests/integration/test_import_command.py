"""`gazelle-sync import` as somebody meets it who was never here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.commands import Person, run_command
from gazelle_sync_tests.support.importing import clients
from gazelle_sync_tests.support.old_files import write
from gazelle_sync_tests.support.shop import Shop


def test_the_command_says_what_became_of_every_row(person: Person, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {**old.sqlite_set(), "autre.csv": b"x,y\n1,2\n"})
    page = tmp_path / "rapport.html"
    ended = person.runs("import", str(folder), "--json", "--report", str(page))
    assert ended.returncode == 2
    told = json.loads(ended.stdout)["files"]
    assert {one["file"] for one in told} == {*old.sqlite_set(), "autre.csv"}
    (client,) = [one for one in told if one["file"] == "Clients.csv"]
    assert list(client) == [
        "file", "source", "entity", "rows", "imported", "merged", "rejected", "skipped", "rejections",
    ]  # fmt: skip
    assert client["rejections"][0]["line"] == 4
    assert "Clients.csv" in page.read_text(encoding="utf-8")
    assert person.runs("import", str(tmp_path)).returncode == 1
    good = write(tmp_path / "b", {"c.csv": clients({"Id": 1, "CompanyName": "A"})})
    assert person.runs("import", str(good)).returncode == 0


def test_every_exit_status_and_both_languages(shop: Shop, tmp_path: Path) -> None:
    good = write(tmp_path / "good", {"c.csv": clients({"Id": 1, "CompanyName": "École"})})
    bad = write(tmp_path / "bad", {"c.csv": clients({"Id": 2, "CompanyName": "B"}, {"Id": 3})})
    nothing = write(tmp_path / "nothing", {"autre.csv": b"x,y\n1,2\n"})
    page = tmp_path / "rapport.html"
    french = run_command(shop, "import", str(bad), "--dry-run", "--report", str(page), GAZELLE_LANG="fr")
    assert french.returncode == 2
    assert "c.csv:3: " in french.stdout
    assert "1 ligne a été rejetée" in french.stdout
    assert "rien n'a été conservé" in french.stdout.replace("\u2019", "'")
    assert "c.csv" in page.read_text(encoding="utf-8")
    assert shop.count("staging_import") == 0
    english = run_command(shop, "import", str(bad), GAZELLE_LANG="en")
    assert (english.returncode, "1 row was rejected" in english.stdout) == (2, True)
    assert run_command(shop, "import", str(good)).returncode == 0
    assert run_command(shop, "import", str(good)).returncode == 0
    for folder in (nothing, tmp_path / "missing", good / "c.csv"):
        for language in ("fr", "en"):
            refused = run_command(shop, "import", str(folder), "--json", GAZELLE_LANG=language)
            assert (refused.returncode, refused.stdout) == (1, ""), folder
            assert folder.name in refused.stderr
            assert "Traceback" not in refused.stderr


def test_a_report_that_cannot_be_written_is_refused_before_anything_goes_in(new_shop: Shop, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "A"})})
    for page in (tmp_path / "nowhere" / "x.html", tmp_path):
        refused = run_command(new_shop, "import", str(folder), "--report", str(page))
        assert (refused.returncode, str(page) in refused.stderr) == (1, True)
    assert new_shop.count("gazelle_clients") == 0


@pytest.mark.parametrize("source", ["sqlite", "school"])
def test_a_source_that_is_chosen_leaves_the_others_alone(new_shop: Shop, tmp_path: Path, source: str) -> None:
    sheet = b"Local,Marque,Num\xc3\xa9ro de s\xc3\xa9rie\nB-1,Yamaha,12345\n"
    folder = write(tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "A"}), "ecole.csv": sheet})
    ended = run_command(new_shop, "import", str(folder), "--source", source, "--json")
    told = {one["file"]: one["source"] for one in json.loads(ended.stdout)["files"]}
    assert told == {
        "c.csv": "sqlite" if source == "sqlite" else None, "ecole.csv": "school" if source == "school" else None,
    }  # fmt: skip
