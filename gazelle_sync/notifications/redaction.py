"""Removes personal data from text that others wrote: a check's description, a service's error.

Counts, ids and the sentence around them are left. It rather removes too much: the run's page has the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "•••"
LONGEST = 300

_PERSONAL_DATA = (
    re.compile(r"(?:DETAIL|CONTEXT|Failing row contains).*", re.DOTALL),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    # Quotes of any style. An apostrophe inside a word opens none.
    re.compile(r"«[^»]*»|“[^”]*”|\"[^\"]*\"|(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w))*'(?!\w)"),
    re.compile(r"(?<==)\([^)]*\)"),
    # Phones: North American, international, French. Dates, times, counts and ids have other shapes.
    re.compile(r"(?<![\w-])(?:\+?1[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-]?)\d{3}[\s.-]?\d{4}(?![\w-])"),
    re.compile(r"\+\d[\d\s.()-]{7,}\d|(?<![\w-])(?:\d{2}[\s.]){4}\d{2}(?![\w-])|(?<![\w-])\d{3}[\s.-]\d{4}(?![\w-])"),
    re.compile(r"\b[ABCEGHJ-NPRSTVXY]\d[A-Z] ?\d[A-Z]\d\b"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The first paragraph of a text without secrets, e-mail addresses, phones, postal codes and what is in quotes.

    Args:
        text: Anyone's.
        secrets: Values that must not be in it.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    clean = text.strip().split("\n\n", maxsplit=1)[0]
    for pattern in _PERSONAL_DATA:
        clean = pattern.sub(HIDDEN, clean)
    clean = " ".join(clean.split())
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 1]}…"
