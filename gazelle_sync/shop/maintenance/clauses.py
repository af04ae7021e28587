"""A note in clauses, a clause in words and phrases of the rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gazelle_sync.shop.maintenance.lexicon import Entry, Lexicon, Phrase, corrected, lexicon, plain

TOKEN = re.compile(
    r"\bD[-./]C\b\.?|\bT°|[^\W\d_]+n['’]t\b|[^\W\d_]+|\d+(?:[.,]\d+)?(?:\s*[%°])?|\n|[.;:!?,()…–—/+&]|(?<=\s)-(?=\s)",  # noqa: RUF001 - as people type it
    re.IGNORECASE,
)
ABBREVIATIONS = frozenset({"res", "reserv", "temp", "hum", "syst", "debr", "rebr", "hse", "ss", "h", "r"})
"""Where a full stop follows one of these, it ends no clause."""
NOTHING = Entry()
NUMBER = Entry(roles={"fillers"})


@dataclass(frozen=True)
class Token:
    """A word of a note: how it is compared, and where it stands."""

    word: str
    start: int
    end: int
    is_number: bool = False
    is_corrected: bool = False


@dataclass(frozen=True)
class Item:
    """A word or phrase of a clause, and what the rules say of it."""

    tokens: Sequence[Token]
    entry: Entry
    words: Phrase

    @property
    def start(self) -> int:
        """Where it begins in the note."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Where it ends in the note."""
        return self.tokens[-1].end

    @property
    def corrections(self) -> int:
        """How many of its words had a letter wrong."""
        return sum(token.is_corrected for token in self.tokens)

    def is_any(self, *roles: str) -> bool:
        """Whether it has one of these roles."""
        return not self.entry.roles.isdisjoint(roles)

    @property
    def is_unknown(self) -> bool:
        """Whether the rules know nothing of it: a word that may be what a clause speaks of."""
        return not self.entry.says_something and not self.entry.roles


@dataclass
class Clause:
    """Words that belong together.

    Attributes:
        tokens: In order.
        is_question: Whether it ends with a question mark.
        joined_by: What stands before it: a sign, or a word such as `et`; empty at the note's beginning.
    """

    tokens: list[Token] = field(default_factory=list)
    is_question: bool = False
    joined_by: str = ""

    @property
    def start(self) -> int:
        """Where it begins in the note."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """Where it ends in the note."""
        return self.tokens[-1].end


def clauses(text: str) -> list[Clause]:
    """The clauses of a note, in order; none is empty."""
    words = lexicon()
    found: list[Clause] = []
    current = Clause()
    skip_stop = False
    for match in TOKEN.finditer(text):
        said = match.group()
        if not said[0].isalnum():
            if said == "." and skip_stop:
                skip_stop = False
                continue
            current.is_question = said == "?"
            current = _next(found, current, said)
            skip_stop = False
            continue
        token = _token(match)
        skip_stop = token.word in ABBREVIATIONS
        if token.word in words.splits and (found or current.tokens):
            current = _next(found, current, token.word)
            continue
        current.tokens.append(token)
    _next(found, current, "")
    return found


def items(clause: Clause) -> list[Item]:
    """The words and phrases of a clause, the longest phrase first."""
    return list(_items(clause.tokens, lexicon()))


def _items(tokens: Sequence[Token], words: Lexicon) -> Iterator[Item]:
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.is_number:
            yield Item([token], NUMBER, (token.word,))
            place += 1
            continue
        for length in range(min(words.longest.get(token.word, 0), len(tokens) - place), 0, -1):
            phrase = tuple(one.word for one in tokens[place : place + length])
            if (entry := words.entries.get(phrase)) is not None:
                yield Item(tokens[place : place + length], entry, phrase)
                place += length
                break
        else:
            yield Item([token], NOTHING, (token.word,))
            place += 1


def _token(match: re.Match[str]) -> Token:
    said = match.group()
    if said[0].isdigit():
        return Token(said, match.start(), match.end(), is_number=True)
    word = plain(said)
    if word == "t°":
        word = "temperature"
    elif "'" in word or "\N{RIGHT SINGLE QUOTATION MARK}" in word:
        word = "cannot" if word.startswith("c") else "not"
    elif not word.isalpha():
        word = "dc"
    meant = corrected(word)
    return Token(meant, match.start(), match.end(), is_corrected=meant != word)


def _next(found: list[Clause], current: Clause, joined_by: str) -> Clause:
    if not current.tokens:
        if not current.joined_by or joined_by not in (",", "\n"):
            current.joined_by = joined_by
        return current
    found.append(current)
    return Clause(joined_by=joined_by)
