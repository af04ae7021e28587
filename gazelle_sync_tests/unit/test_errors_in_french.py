"""No error is raised with words of its own: a person reads them in the language of `GAZELLE_LANG`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from gazelle_sync import errors
from gazelle_sync_tests.support.messages import PACKAGE

SAID = {"gettext", "say", "translator"}
"""What a sentence goes through."""
WORDS = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}|[a-z]{4,}")
FIELD = re.compile(r"\w+: ")
"""The name of a field of Gazelle's, in front of what is wrong with it."""
NAMES_FIRST = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.ApiError)
}
"""Errors whose first argument is the name of the operation."""
OURS = {
    "ReconcileError",
    "DeliveryFailed",
    *(name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BaseException)),
    *(name for name, kind in vars(click).items() if isinstance(kind, type) and issubclass(kind, click.ClickException)),
}
VALIDATORS = {"ValueError", "PydanticCustomError"}
"""What the validators of the settings raise: the sentence behind the variable's name."""
EXCEPTIONS = {
    "sandbox": "answers as Gazelle does, in English",
}
"""Rooms that are left out, and why."""


def errors_made(path: Path) -> Iterator[ast.Call]:
    kinds = OURS | (VALIDATORS if path.parent == PACKAGE / "settings" else set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name_of(node) in kinds:
            yield node


def name_of(call: ast.Call) -> str:
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def untranslated(node: ast.AST) -> Iterator[str]:
    """The literals with words in an expression, but for what is translated or is no text of ours."""
    if isinstance(node, ast.Call) and name_of(node) in SAID:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if WORDS.search(node.value) and not FIELD.fullmatch(node.value):
            yield node.value
        return
    if isinstance(node, ast.JoinedStr):  # what is between the braces is a value, its format no words
        for part in node.values:
            yield from untranslated(part.value if isinstance(part, ast.FormattedValue) else part)
        return
    for child in ast.iter_child_nodes(node):
        yield from untranslated(child)


def test_no_error_is_made_with_words_that_are_not_translated() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in EXCEPTIONS
        for call in errors_made(path)
        for argument in call.args[name_of(call) in NAMES_FIRST or name_of(call) == "PydanticCustomError" :]
        for text in untranslated(argument)
    ]
    assert found == [], "say it through gettext(), then `make messages`"


def test_the_walk_sees_words_in_every_form() -> None:
    seen = "f'{1} went away'", "'it went' + x", "'{} went'.format(x)", "gettext('it went') + ' went'"
    unseen = "f'HTTP {x}: {y}'", "gettext('it went')", "say('it went', x=1)", "str(error)", "f'{n:%Y-%m-%d}'"
    assert all(list(untranslated(ast.parse(text))) for text in seen)
    assert not any(list(untranslated(ast.parse(text))) for text in unseen)
