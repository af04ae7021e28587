"""What a command says goes by `GAZELLE_LANG`, through the real command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gazelle_sync.i18n import STOPPED, gettext, language


@pytest.mark.parametrize(("said", "meant"), [("fr", "fr"), (" FR ", "fr"), ("en", "en"), ("latin", "en"), ("", "en")])
def test_an_unknown_language_is_english(said: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZELLE_LANG", said)
    assert language() == meant


def test_an_error_is_in_the_language_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZELLE_LANG", "fr")
    assert gettext("the answer holds no {name}", name="tags") == "la réponse ne contient pas tags"


def test_a_database_that_cannot_be_reached_is_told_in_french() -> None:
    ended = _runs("-m", "gazelle_sync.cli", "migrate", GAZELLE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert ended.returncode == 1
    assert "PostgreSQL est injoignable ou a disparu" in ended.stderr


@pytest.mark.parametrize("stop", ["gazelle_sync.cli._leave(2, None)", "signals._leave_at_once(2)"])
def test_ctrl_c_is_answered_in_french_before_and_after_the_imports(stop: str) -> None:
    ended = _runs("-c", f"import gazelle_sync.cli; from gazelle_sync.runtime import signals; {stop}")
    assert (ended.returncode, ended.stderr) == (130, STOPPED["fr"] + "\n")


def _runs(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {"GAZELLE_LANG": "fr", "GAZELLE_API_URL": "http://127.0.0.1:1"} | environment
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | settings, capture_output=True, text=True, check=False
    )
