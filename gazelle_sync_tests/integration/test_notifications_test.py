"""`gazelle-sync notifications test` says of each address whether a message was accepted, before it is needed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gazelle_sync_tests.support.commands import Said, run_as_it_is
from gazelle_sync_tests.support.receivers import HOOK_TOKEN, PASSWORD, mail_server, webhook


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("GAZELLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GAZELLE_SYNC_HOME", str(tmp_path))
    return monkeypatch


def notify(*arguments: str) -> Said:
    return run_as_it_is("notifications", "test", *arguments)


def test_each_recipient_gets_one_message_and_is_told_of_by_name(environment: pytest.MonkeyPatch) -> None:
    with mail_server() as mail, webhook() as hook:
        environment.setenv("GAZELLE_ALERT_URLS", f"{mail.url('a@atelier.example', 'b@atelier.example')} {hook.url}")
        environment.setenv("GAZELLE_LANG", "fr")
        ended = notify()
        assert ended.returncode == 0, ended.text
        assert sorted(letter.to[0] for letter in mail.letters) == ["a@atelier.example", "b@atelier.example"]
        assert hook.titles == ["gazelle_sync\N{NARROW NO-BREAK SPACE}: message d'essai"]
    assert len(ended.text.splitlines()) == 3
    assert "b@atelier.example\N{NARROW NO-BREAK SPACE}: accepté" in ended.text


def test_one_that_does_not_work_is_named_without_its_secrets_and_the_others_still_get_theirs(
    environment: pytest.MonkeyPatch,
) -> None:
    with mail_server() as mail, webhook() as hook:
        hook.status = 500
        environment.setenv("GAZELLE_ALERT_URLS", f"{hook.url} nonsense://nowhere")
        environment.setenv("GAZELLE_MAINTENANCE_URLS", mail.url())
        ended = notify("--json")
        assert len(mail.letters) == 1
    assert ended.returncode == 1
    found = json.loads(ended.stdout)
    assert [one["arrived"] for one in found] == [False, False, True]
    assert all(one["reason"] for one in found[:2])
    assert found[2]["reason"] is None
    assert PASSWORD not in ended.text
    assert HOOK_TOKEN not in ended.text


@pytest.mark.usefixtures("environment")
def test_where_no_address_is_set_it_says_what_to_set() -> None:
    ended = notify()
    assert ended.returncode == 1
    assert "GAZELLE_ALERT_URLS" in ended.text
