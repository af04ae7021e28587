"""How texts are compared that people typed: `Été` and `ete ` are the same. Pure.

Names of clients, materials, columns and words of notes are typed with and without accents and capitals. Each room adds
what is its own (the typographic apostrophe, `œ` as `oe`, the plural's last letter).
"""

from __future__ import annotations

import unicodedata


def without_accents(text: str) -> str:
    """A text in small letters, without accents and other combining marks; ligatures and wide signs as plain letters."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def fold(text: str) -> str:
    """The same, with one blank between words and none around them."""
    return " ".join(without_accents(text).split())
