"""Commands in the language of `GAZELLE_LANG`: their help texts, and click's own messages.

The English texts are where click expects them. `make messages` collects the help of every command and option from the
commands themselves, and click's own sentences from its modules.
"""

from __future__ import annotations

import os
from contextlib import suppress
from copy import copy
from inspect import cleandoc
from pathlib import Path
from typing import TypeVar

import click
from click import core, decorators, exceptions, formatting, parser, types

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import language
from gazelle_sync.i18n.translator import translator

CLICK = (core, decorators, exceptions, formatting, parser, types)
"""The modules of click with messages for people; each has a `gettext` of its own."""
VARIABLE = b"GAZELLE_LANG"

C = TypeVar("C", bound=click.Command)


def translate_click() -> None:
    """Let click use our catalogue: by itself it only finds compiled catalogues of the system."""
    for module in CLICK:
        vars(module).update(_=_text, ngettext=_text_of_count)


def find_language() -> None:
    """Read `GAZELLE_LANG` from `.env` where it is set only there: usage errors and help come before the settings.

    Reading `.env` imports the settings, a tenth of a second, so it is done only where a file names the variable.
    """
    if VARIABLE.decode() in os.environ:
        return
    with suppress(SettingsError, OSError):  # code that needs the settings reports what is wrong with the file
        files = [folder / ".env" for folder in (Path.cwd(), _own_folder())]
        if any(file.is_file() and VARIABLE in file.read_bytes() for file in files):
            from gazelle_sync.settings import load_dot_env

            load_dot_env()


def _own_folder() -> Path:
    """As `settings.OWN_FOLDER`, whose import takes too long here."""
    project = Path(__file__).parents[2]
    return project if (project / "sql").is_dir() else Path.home() / ".gazelle_sync"


def translated(command: C) -> C:
    """A copy of a command, of its options and of the commands below it, with their help in this process's language."""
    copied = copy(command)
    copied.help = _text(cleandoc(command.help)) if command.help else None
    copied.params = [_translated_parameter(parameter) for parameter in command.params]
    vars(copied)["_help_option"] = None  # click caches the help option
    if isinstance(copied, click.Group):
        copied.subcommand_metavar = _text(copied.subcommand_metavar)
        copied.commands = {name: translated(each) for name, each in copied.commands.items()}
    return copied


def help_texts(command: click.Command) -> list[str]:
    """Every help text, metavar and type of a command and of what is below it, in English: for the catalogue."""
    found = [command.help, *(option.help for option in command.params if isinstance(option, click.Option))]
    found += [text for parameter in command.params for text in (_metavar(parameter), _type_name(parameter))]
    if isinstance(command, click.Group):
        found.append(command.subcommand_metavar)
        found += [text for each in command.commands.values() for text in help_texts(each)]
    return [cleandoc(text) for text in found if text]


def _translated_parameter(parameter: click.Parameter) -> click.Parameter:
    copied = copy(parameter)
    copied.metavar = _text(metavar) if (metavar := _metavar(parameter)) else None
    if name := _type_name(parameter):
        copied.type = copy(parameter.type)
        copied.type.name = _text(name)
    if isinstance(copied, click.Option) and copied.help:
        copied.help = _text(copied.help)
    return copied


def _metavar(parameter: click.Parameter) -> str | None:
    """What stands for a value in help, where that is not the name of its type."""
    is_text = isinstance(parameter, click.Option) and parameter.type is click.STRING
    return parameter.metavar or ("TEXT" if is_text else None)


def _type_name(parameter: click.Parameter) -> str | None:
    """What click calls a number, a day or a path, in help and in "is not a valid …"."""
    named = (click.types.IntParamType, click.types.FloatParamType, click.DateTime, click.Path)
    return parameter.type.name if isinstance(parameter.type, named) else None


def _text(message: str) -> str:
    return translator(language()).text(message)


def _text_of_count(one: str, many: str, count: int) -> str:
    return translator(language()).text_of_count(one, many, count)
