"""French and English: sentences by gettext, numbers and days by Babel.

This module imports nothing but `os`, since the command line answers Ctrl-C with it before anything else is imported.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazelle_sync.i18n.translator import Plural

LANGUAGES = ("en", "fr")

STOPPED = {
    "en": "Stopped. What was committed is kept; the next run does the rest.",
    "fr": "Arrêté. Ce qui est enregistré est conservé\u202f; la prochaine exécution reprend la suite.",
}
"""The sentence that ends a stopped command; not in the catalogue, which a signal's handler cannot stop to read."""


def language() -> str:
    """The language of this process: `GAZELLE_LANG`, which `.env` may have set, or English."""
    said = os.environ.get("GAZELLE_LANG", "").strip().lower()
    return said if said in LANGUAGES else "en"


def gettext(message: str | Plural, /, **values: object) -> str:
    """A sentence in the language of this process, with its places filled: for errors, which know no settings.

    Args:
        message: In English, with places as for `str.format`; a literal, or a `Message` that is declared elsewhere.
        values: For the places; `count`, an int, chooses the form of a `Plural`.
    """
    from gazelle_sync.i18n.translator import translator

    return translator(language())(message, **values)
