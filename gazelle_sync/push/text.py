"""Whether two texts say the same, whatever a program on the way did to their blanks and signs. Pure.

An API may squeeze runs of blanks, turn line ends or no-break spaces into others, drop what cannot be seen, or keep `<`
as `&lt;`. Such a text is still the one that was sent: it must not be sent again, nor taken for somebody's edit.
"""

from __future__ import annotations

import html
import re
import unicodedata

_LINE_ENDS = re.compile(r"\r\n?")
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
DEEPEST = 5
"""So often a text may have been escaped on its way."""


def plain(text: str | None) -> str:
    """A text as it is compared: one kind of line end, no blank edges."""
    if not text:
        return ""
    return (_LINE_ENDS.sub("\n", text) if "\r" in text else text).strip()


def normalize(text: str | None) -> str:
    """What a text says, without what programs change."""
    text = text or ""
    for _ in range(DEEPEST):
        if "&" not in text or (plainer := html.unescape(text)) == text:
            break
        text = plainer
    return unicodedata.normalize("NFC", _UNSEEN.sub("", text))


def same_text(one: str | None, other: str | None) -> bool:
    """Whether two texts say the same."""
    return one == other or plain(one) == plain(other) or normalize(one) == normalize(other)
