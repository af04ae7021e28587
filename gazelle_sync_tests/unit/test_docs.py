"""What the documentation shows exists: commands, options, targets, variables, links, paths."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from babel.messages.pofile import read_po
from graphql import build_schema, parse, validate

from gazelle_sync.cli.app import main
from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.location import SOURCE_TAG
from gazelle_sync.defs.push.assets import POOL as PUSH_POOL
from gazelle_sync.defs.sync.resources import MODE_TAG, POOL
from gazelle_sync.entities import ENTITIES, Entity, Strategy, Table
from gazelle_sync.quality.registry import CHECKS, GROUPS
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync_tests.unit.test_layers import FLOORS

README, FRENCH_README = PROJECT_ROOT / "README.md", PROJECT_ROOT / "README.fr.md"
DOCUMENTS = sorted([README, FRENCH_README, PROJECT_ROOT / "CHANGELOG.md", *(PROJECT_ROOT / "docs").rglob("*.md")])
PLACEHOLDER = re.compile(r"[…<>*]|NNN")
EXAMPLE = "product_groups"
"""The entity that docs/adding-an-entity.md adds."""
MAY_BE_MISSING = {"config/token.json", ".gazelle_sync/", ".venv/"}
"""Made on a shop's own machine; git ignores them."""
NOT_OURS = re.compile(
    r"(?<![\w:/.])/(?:home|root|tmp|work|workspace|Users|private|mnt)/\w"
    r"|\b(?:pypi|registry|artifactory|nexus|mirror)[\w-]*\.[\w.-]*\w"
    r"|(?<![\d.])(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}(?![\d.])"
)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def code_of(document: Path) -> Iterator[str]:
    """Each line of code: of a fence, comments cut off, or between backquotes."""
    text = text_of(document)
    for fence in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (re.sub(r"(^|\s)#.*", "", line).strip() for line in fence.splitlines())
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))


def prose_without_fences(document: Path) -> str:
    return re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)


def shown_commands(document: Path) -> list[list[str]]:
    """The words after `gazelle-sync` of every command that a document shows."""
    found = []
    for line in code_of(document):
        match = re.match(r"(?:ExecStart=)?(?:\S*/)?gazelle-sync\b(?!/)(.*)", line)
        if match:
            found.append([word for word in shlex.split(match.group(1)) if not PLACEHOLDER.search(word)])
    return found


def shown_targets(document: Path) -> list[str]:
    matches = (re.match(r"make(?:\s+[A-Z]+=\S+)*\s+([a-z-]+)$", line) for line in code_of(document))
    return [match.group(1) for match in matches if match]


def assert_is_a_command(words: list[str]) -> None:
    """Walk the words down the commands; each option must be known where it stands, each entity in `--only` exist."""
    command: click.Command = main
    waiting: click.Option | None = None
    for word in words:
        if waiting is not None:
            if waiting.name == "only":
                known_names = (
                    set(CHECKS) if command.name == "check" else {entity.name for entity in ENTITIES} | {EXAMPLE}
                )
                assert set(word.split(",")) <= known_names, words
            waiting = None
        elif word.startswith("-"):
            known = {name: p for p in command.params if isinstance(p, click.Option) for name in p.opts}
            assert word in {*known, "--help", "-h"}, f"gazelle-sync {' '.join(words)}: there is no {word}"
            waiting = known[word] if word in known and not known[word].is_flag else None
        elif isinstance(command, click.Group):
            inner = command.commands.get(word)
            assert inner is not None, f"gazelle-sync {' '.join(words)}: there is no {word}"
            command = inner


def anchors_of(document: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", prose_without_fences(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_of_variables() -> set[str]:
    rows = re.findall(r"^\| (`GAZELLE_[^|]*) \|", text_of(PROJECT_ROOT / "docs" / "settings.md"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(GAZELLE_[A-Z_]+)`", row)}


def variables_read() -> set[str]:
    return set(Settings.variables().values())


@each_document
def test_every_command_and_option_that_the_docs_show_exists(document: Path) -> None:
    for words in shown_commands(document):
        assert_is_a_command(words)


def test_every_command_is_shown_somewhere() -> None:
    shown = {words[0] for document in DOCUMENTS for words in shown_commands(document) if words}
    assert set(main.commands) <= shown


def test_the_test_sees_commands_options_and_targets() -> None:
    commands = shown_commands(PROJECT_ROOT / "docs" / "operations.md")
    assert ["sync", "--full", "--allow-deletes", "--only", "clients"] in commands
    assert ["up", "--port", "3000"] in shown_commands(PROJECT_ROOT / "docs" / "production.md")
    assert {"sync", "up", "test"} <= set(shown_targets(PROJECT_ROOT / "README.md"))
    assert {"test", "test-slow", "bench"} <= set(shown_targets(PROJECT_ROOT / "docs" / "testing.md"))


@pytest.mark.parametrize("words", [["synk"], ["sync", "--everything"], ["sync", "--only", "clocks"]], ids=" ".join)
def test_a_command_that_does_not_exist_would_be_found(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        assert_is_a_command(words)


@each_document
def test_every_module_test_and_tool_that_the_docs_run_is_there(document: Path) -> None:
    for line in code_of(document):
        for module in re.findall(r"python -m (gazelle_sync[\w.]*)", line):
            path = PROJECT_ROOT.joinpath(*module.split("."))
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), line
        for path in re.findall(r"(?<!\S)(gazelle_sync_tests/[\w./-]*)", line):
            assert (PROJECT_ROOT / path).exists(), line
        for tool in re.findall(r"^\.venv/bin/([\w-]+)", line):
            assert (Path(sys.executable).parent / tool).exists(), line


def test_the_floors_in_the_picture_are_those_that_the_test_of_layers_holds() -> None:
    drawn = re.findall(
        r"^    floor(\d+)\[\"(.*)\"\]$", text_of(PROJECT_ROOT / "docs" / "architecture.md"), re.MULTILINE
    )
    assert {int(number): set(rooms.split(" · ")) for number, rooms in drawn} == dict(enumerate(FLOORS))
    ((arrows),) = re.findall(
        r"^    (floor\d+ --> .*)$", text_of(PROJECT_ROOT / "docs" / "architecture.md"), re.MULTILINE
    )
    assert arrows.split(" --> ") == [f"floor{number}" for number in reversed(range(len(FLOORS)))]


def test_the_french_readme_shows_what_the_english_one_shows_and_each_leads_to_the_other() -> None:
    def pages_of(document: Path) -> set[str]:
        return set(re.findall(r"\]\((docs/[^)#\s]+)", text_of(document)))

    def commands_of(document: Path) -> set[tuple[str, ...]]:
        return {tuple(words) for words in shown_commands(document)}

    assert commands_of(README) <= commands_of(FRENCH_README)
    assert set(shown_targets(README)) == set(shown_targets(FRENCH_README))
    assert pages_of(README) == pages_of(FRENCH_README)
    assert "](README.fr.md)" in text_of(README)
    assert "](README.md)" in text_of(FRENCH_README)


def test_the_page_for_dagster_users_names_all_that_dagster_knows() -> None:
    repository = build_defs().get_repository_def()
    schedules = {schedule.name for schedule in repository.schedule_defs}
    sensors = {sensor.name for sensor in repository.sensor_defs}
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    groups = {node.group_name for node in repository.asset_graph.asset_nodes}
    text = text_of(PROJECT_ROOT / "docs" / "dagster.md")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == jobs | schedules | sensors | groups
    assert {f"`{POOL}`", f"`{PUSH_POOL}`"} <= set(re.findall(r"`\w+`", text))


@each_document
def test_every_make_target_that_the_docs_show_is_in_the_makefile(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(shown_targets(document)) <= targets


def test_every_check_is_in_the_table_with_its_asset_and_whether_it_blocks_or_runs_in_a_tick() -> None:
    text = text_of(PROJECT_ROOT / "docs" / "operations.md")
    rows = re.findall(r"^\| `(\w+)`( •)?( blocks)? \|.*\| `(\w+)` \|$", text, re.MULTILINE)
    assert [(name, bool(tick), bool(blocks), asset) for name, tick, blocks, asset in rows] == [
        (check.name, check.in_tick, check.blocking, group.asset) for group in GROUPS for check in group.checks
    ]


def test_every_message_that_operations_begins_with_is_one_that_people_get() -> None:
    with (PROJECT_ROOT / "gazelle_sync/i18n/locale/fr/LC_MESSAGES/gazelle_sync.po").open("rb") as catalogue:
        said = [
            one
            for message in read_po(catalogue)
            for one in ([message.id] if isinstance(message.id, str) else message.id)
        ]
    quoted = re.findall(r'^\| "([^"]+)" \|', text_of(PROJECT_ROOT / "docs" / "operations.md"), re.MULTILINE)
    assert len(quoted) >= 3
    parts = [part.strip() for message in quoted for part in message.split("…") if part.strip()]
    assert [part for part in parts if not any(part in one for one in said)] == []


def test_the_table_of_variables_is_what_the_settings_read() -> None:
    assert variables_read(), "the test no longer finds what the settings read"
    assert table_of_variables() == variables_read()


@each_document
def test_every_variable_that_the_docs_name_is_read(document: Path) -> None:
    named = set(re.findall(r"\bGAZELLE_[A-Z_]+\b", text_of(document)))
    assert named <= variables_read()


@each_document
def test_every_internal_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_without_fences(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors_of(file), target


@each_document
def test_every_file_that_the_docs_name_is_there(document: Path) -> None:
    spans = re.findall(r"`([^`\n]+)`", prose_without_fences(document))
    paths = {span for span in spans if re.fullmatch(r"\.?[\w.-]+(?:/[\w.-]+)*/?", span) and "/" in span}
    for path in paths - MAY_BE_MISSING - {MODE_TAG, SOURCE_TAG}:
        if (PROJECT_ROOT / path.split("/")[0]).exists():
            assert (PROJECT_ROOT / path).exists(), path


def test_every_module_that_the_layout_shows_is_there() -> None:
    text = text_of(PROJECT_ROOT / "docs" / "architecture.md")
    layout = re.search(r"^```\n(gazelle_sync/\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert layout
    package = PROJECT_ROOT / "gazelle_sync"
    lines = [line.strip() for line in layout.group(1).splitlines() if line.startswith("  ") and "----" not in line]
    named = [word for line in lines for word in re.split(r"\s{2,}", line)[0].split()]
    assert len(named) > 15
    assert [name for name in named if not (package / name).exists()] == []


def test_the_worked_example_is_true_to_the_code() -> None:
    text = text_of(PROJECT_ROOT / "docs" / "adding-an-entity.md")
    (operations,) = re.findall(r"^```graphql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    schema = (PROJECT_ROOT / "gazelle_sync" / "sandbox" / "schema.graphql").read_text(encoding="utf-8")
    assert validate(build_schema(schema), parse(operations)) == []

    reconciler, declaration = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {}
    exec(reconciler, module)  # noqa: S102 - our own document
    names: dict[str, Any] = {"Entity": Entity, "Message": str, "Strategy": Strategy, "Table": Table}
    exec(declaration, names | {"product_group": SimpleNamespace(**module)}, names)  # noqa: S102
    entity = names["PRODUCT_GROUPS"]
    assert entity.name == EXAMPLE
    for name in (entity.page_operation, entity.stamp_operation, entity.body_fragment):
        assert re.search(rf"^(?:query|fragment) {name}\b", operations, re.MULTILINE)

    body = {"id": "msg_1", "createdAt": "2026-01-09T12:00:00Z", "updatedAt": None, "order": 1, "isArchived": False}
    ((table, (row,)),) = entity.reconcile(body | {"name": {"fr_CA": "Accord", "en_US": "Tuning"}}).items()
    assert table == entity.table.name
    assert tuple(row) == entity.table.columns
    (created,) = re.findall(
        rf"^CREATE TABLE IF NOT EXISTS public\.{table} \(\n(.*?)^\);", text, re.MULTILINE | re.DOTALL
    )
    assert set(row) <= set(re.findall(r"^    (\w+) ", created, re.MULTILINE))


def test_the_example_of_a_pushable_is_what_the_tests_push() -> None:
    text = text_of(PROJECT_ROOT / "docs" / "adding-a-pushable.md")
    code = text_of(PROJECT_ROOT / "gazelle_sync_tests" / "support" / "creating.py")
    quoted = re.findall(r"^```(?:python|sql|text)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(quoted) == 4
    assert [part for part in quoted if part not in code] == []


@each_document
def test_no_file_of_this_machine_and_no_registry_is_named(document: Path) -> None:
    found = [match.group() for match in NOT_OURS.finditer(text_of(document))]
    assert found == []
    assert str(PROJECT_ROOT) not in text_of(document)
    assert str(Path.home()) + "/" not in text_of(document)
