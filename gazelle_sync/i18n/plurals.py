"""Numbers in sentences: `{count:# row waits|# rows wait}`, by the grammar of the sentence's language."""

from __future__ import annotations

import string

_SINGULAR_ZERO = {"fr"}
"""French says "0 ligne", English "0 rows"."""


class _Counted(string.Formatter):
    """`str.format`, with places that hold a singular and a plural; `#` stands for the number."""

    def __init__(self, language: str) -> None:
        self._zero_is_one = language in _SINGULAR_ZERO

    def format_field(self, value: object, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if not bar or not isinstance(value, int):
            return str(super().format_field(value, format_spec))
        is_one = value == 1 or (value == 0 and self._zero_is_one)
        return (one if is_one else many).replace("#", str(value))


def counted(language: str, text: str, **values: object) -> str:
    """A sentence with its numbers.

    Args:
        language: `en` or `fr`.
        text: With places, as for `str.format`.
        values: For the places.
    """
    return _Counted(language).format(text, **values)
