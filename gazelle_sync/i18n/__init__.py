"""French and English: sentences by gettext, numbers and days by Babel.

This module imports only what Python has built in or loaded already, since the command line answers Ctrl-C with it
before anything else is imported.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Token

    from gazelle_sync.i18n.translator import Plural

LANGUAGES = ("en", "fr")

STOPPED = {
    "en": "Stopped. What was committed is kept; the next run does the rest.",
    "fr": "Arrêté. Ce qui est enregistré est conservé\u202f; la prochaine exécution reprend la suite.",
}
"""The sentence that ends a stopped command; not in the catalogue, which a signal's handler cannot stop to read."""

_reader: ContextVar[str | None] = ContextVar("reader", default=None)


class ReadingIn:
    """A block in which sentences are said in one language, for one of several readers whom this process serves.

    Args:
        language: `en` or `fr`.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._before: Token[str | None] | None = None

    def __enter__(self) -> None:
        self._before = _reader.set(self._language)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            _reader.reset(self._before)


def language() -> str:
    """The reader's language: what `ReadingIn` says, else `GAZELLE_LANG`, which `.env` may have set, or English."""
    if (chosen := _reader.get()) is not None:
        return chosen
    said = os.environ.get("GAZELLE_LANG", "").strip().lower()
    return said if said in LANGUAGES else "en"


def gettext(message: str | Plural, /, **values: object) -> str:
    """A sentence in the reader's language, with its places filled: for errors, which know no settings.

    Args:
        message: In English, with places as for `str.format`; a literal, or a `Message` that is declared elsewhere.
        values: For the places; `count`, an int, chooses the form of a `Plural`.
    """
    from gazelle_sync.i18n.translator import translator

    return translator(language())(message, **values)
