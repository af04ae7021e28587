"""What a command says goes by `GAZELLE_LANG`, through the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gazelle_sync.cli.app import main
from gazelle_sync.i18n import STOPPED, gettext, language
from gazelle_sync_tests.support.processes import Processes, answer_signals_as_at_a_terminal

Command = Callable[..., subprocess.CompletedProcess[str]]
SETTINGS = {"GAZELLE_LANG": "fr", "GAZELLE_API_URL": "http://127.0.0.1:1"}


@pytest.fixture
def command(processes: Processes, tmp_path: Path) -> Command:
    """Runs `gazelle-sync` with these arguments and variables, in French."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return processes.command(*arguments, environment=os.environ | SETTINGS | environment, directory=tmp_path)

    return run


@pytest.mark.parametrize(("said", "meant"), [("fr", "fr"), (" FR ", "fr"), ("en", "en"), ("latin", "en"), ("", "en")])
def test_an_unknown_language_is_english(said: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZELLE_LANG", said)
    assert language() == meant


def test_an_error_is_in_the_language_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAZELLE_LANG", "fr")
    assert gettext("the answer holds no {name}", name="tags") == "la réponse ne contient pas tags"


def test_a_database_that_cannot_be_reached_is_told_in_french(command: Command) -> None:
    ended = command("migrate", GAZELLE_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert ended.returncode == 1
    assert "PostgreSQL est injoignable ou a disparu" in ended.stderr


@pytest.mark.parametrize("stop", ["gazelle_sync.cli._leave(2, None)", "signals._leave_at_once(2)"])
def test_ctrl_c_is_answered_in_french_before_and_after_the_imports(stop: str) -> None:
    ended = _runs("-c", f"import gazelle_sync.cli; from gazelle_sync.runtime import signals; {stop}")
    assert (ended.returncode, ended.stderr) == (130, STOPPED["fr"] + "\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["sync", "--everything"],
            ["Utilisation\N{NO-BREAK SPACE}: ", "Option inconnue\N{NO-BREAK SPACE}: '--everything'."],
        ),
        (["report"], ["Erreur\N{NO-BREAK SPACE}: Option manquante '--html'."]),
        (["up", "--port", "0"], ["Valeur invalide pour '--port'", "n'est pas dans l'intervalle"]),
        (["up", "--port", "abc"], ["'abc' n'est pas valide (entier)."]),
        (["conflicts", "resolve"], ["Argument manquant 'ID'."]),
        (["push", "--dry-run", "--status"], ["--dry-run, --status et --undo s'excluent."]),
        (["sandbox", "--scale", "huge"], ["'huge' n'est ni seed, ni shop, ni un nombre"]),
        (["nothing"], ["Commande inconnue\N{NO-BREAK SPACE}: 'nothing'."]),
    ],
)
def test_a_wrong_option_is_told_in_french(
    command: Command, arguments: list[str], said: list[str], tmp_path: Path
) -> None:
    ended = command(*arguments, GAZELLE_SYNC_HOME=str(tmp_path))
    assert ended.returncode == 2
    assert all(part in ended.stderr for part in said), ended.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GAZELLE_RATE_PER_S", "abc", "✗ GAZELLE_RATE_PER_S devrait être un nombre, et non 'abc'"),
        ("GAZELLE_RATE_PER_S", "-1", "devrait être 0 (sans limite) ou entre 0.01 et 1000, et non '-1'"),
        ("GAZELLE_PUSH_TRANSPORT", "mail", "devrait être l'un de graphql, rest, et non 'mail'"),
        ("GAZELLE_API_URL", "gazelle", "GAZELLE_API_URL n'est pas une adresse Web"),
        ("GAZELLE_PARTITIONS_START", "9999-01-01", "est à venir"),
    ],
)
def test_a_wrong_setting_is_told_in_french(command: Command, variable: str, value: str, said: str) -> None:
    ended = command("status", **{variable: value})
    assert ended.returncode == 1
    assert said in ended.stderr


def test_help_is_in_french(command: Command) -> None:
    said = command("--help").stdout
    assert said.startswith("Utilisation\N{NO-BREAK SPACE}: ")
    assert "Afficher ce message et quitter." in said
    assert "Lire ce qui a changé" in said


def test_the_help_of_the_sandbox_is_in_french(command: Command) -> None:
    said = " ".join(command("sandbox", "--help").stdout.split())
    assert "Servir notre propre Gazelle jusqu'à Ctrl-C." in said
    assert "Nombre d'entrées d'historique, quelle que soit l'échelle." in said
    assert "par défaut" in said
    assert "Annuler tout ce que `break` a provoqué." in said


def test_the_places_of_a_command_are_in_french(command: Command) -> None:
    assert "--only FICHES" in command("replay", "--help").stdout
    assert "CHAMP=VALEUR…" in command("sandbox", "edit", "--help").stdout
    assert "--port ENTIER" in command("up", "--help").stdout
    assert command("sandbox", "--help").stdout.startswith(
        "Utilisation\N{NO-BREAK SPACE}: gazelle-sync sandbox [OPTIONS] [COMMANDE] [ARGS]..."
    )


def test_a_language_that_stands_only_in_dot_env_counts_for_options_and_help_as_well(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GAZELLE_LANG=fr\n", encoding="utf-8")
    ours = ("GAZELLE_LANG", "PYTHON_DOTENV_DISABLED")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    for arguments, said in ((["--help"], "Utilisation"), (["sync", "--everything"], "Option inconnue")):
        ended = subprocess.run(
            [sys.executable, "-m", "gazelle_sync.cli", *arguments],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said in ended.stdout + ended.stderr


def test_help_is_in_the_language_of_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {}
    for name in ("fr", "en", "fr"):
        monkeypatch.setenv("GAZELLE_LANG", name)
        said[name] = CliRunner().invoke(main, ["sync", "--help"]).output
    answer_signals_as_at_a_terminal()  # a command in this process set handlers of its own
    assert "Show this message and exit." in said["en"]
    assert "Afficher ce message et quitter." in said["fr"]


def test_help_in_english_reads_no_catalogue_and_no_settings() -> None:
    program = (
        "import sys\nfrom gazelle_sync.cli.app import main\ntry: main(['--help'])\nfinally: print(sorted(sys.modules))"
    )
    said = _runs("-c", program, GAZELLE_LANG="en").stdout
    assert "'gazelle_sync.i18n.translator'" in said
    assert "'babel" not in said
    assert "'gazelle_sync.settings'" not in said


def _runs(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | SETTINGS | environment,
        capture_output=True,
        text=True,
        check=False,
    )
