"""Whether a line's text names a material: for materials that a service uses only sometimes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LEFT_OUT = frozenset({"sans", "pas", "aucun", "aucune", "ni", "no", "not", "without"})
"""Words that say, before a material, that it was not used."""
REACH = 2
"""So many words before the material such a word may stand: "pas de housse", "sans la housse"."""
_CLAUSE = re.compile(r"[,;:.!?()](?=\s|$)|\n")
_WORD = re.compile(r"[^\W_]+")


def mentions(text: str | None, names: Iterable[str]) -> bool:
    """Whether a text names something by one of its names, and does not say that it was left out.

    Case, accents, punctuation and a plural's last letter make no difference.

    Args:
        text: Of an invoice's line.
        names: In both languages, and the SKU.
    """
    clauses = [_words(clause) for clause in _CLAUSE.split(text or "")]
    return any(_is_named(clause, _words(name)) for clause in clauses for name in names)


def _is_named(clause: list[str], name: list[str]) -> bool:
    places = range(len(clause) - len(name) + 1) if name else ()
    return any(
        clause[place : place + len(name)] == name and not LEFT_OUT & set(clause[max(place - REACH, 0) : place])
        for place in places
    )


def _words(text: str) -> list[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return [word if word in LEFT_OUT else _singular(word) for word in _WORD.findall(bare)]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] in "sx" else word
