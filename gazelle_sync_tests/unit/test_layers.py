"""The house has floors: a module imports from floors below its own, and no two rooms import each other."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import gazelle_sync

PACKAGE = Path(gazelle_sync.__file__).parent
FLOORS = [
    {"i18n"},
    {"errors", "montreal"},
    {"sandbox"},
    {"settings"},
    {"runtime"},
    {"reconcile"},
    {"entities"},
    {"warehouse"},
    {"gazelle"},
    {"pull", "push"},
    {"shop"},
    {"quality"},
    {"notifications"},
    {"incidents"},
    {"monitoring"},
    {"fleet"},
    {"defs", "desk"},
    {"definitions"},
    {"cli"},
]
"""From the ground up; docs/architecture.md draws them."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """The room of a dotted name: the part behind the package."""
    return module.split(".")[1]


@cache
def imports() -> dict[str, set[str]]:
    """Module → the modules of ours that it imports, late imports included; not what only the type checker reads."""
    paths = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        named: set[str] = set()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= {name if name in modules else node.module for name in inside}
        found[module] = (named & modules.keys()) - {module, PACKAGE.name}
    del found[PACKAGE.name]
    return found


def test_every_room_has_a_floor_and_every_floor_its_rooms() -> None:
    assert {room_of(module) for module in imports()} == FLOOR.keys()


def test_no_module_imports_upward() -> None:
    upward = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if room_of(module) != room_of(other) and FLOOR[room_of(other)] >= FLOOR[room_of(module)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    waiting: dict[str, set[str]] = defaultdict(set, imports())
    while free := [module for module, others in waiting.items() if not others & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert dict(waiting) == {}


def test_few_modules_stand_in_the_hall() -> None:
    hall = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert hall == {"definitions", "entities", "errors", "montreal"}
