"""A note in clauses, a clause in words and phrases of the rules. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

from gazelle_sync.shop.maintenance.lexicon import (
    OPEN,
    SHORTEST,
    Entry,
    Lexicon,
    Phrase,
    corrected,
    lexicon,
    likely,
    plain,
)

TOKEN = re.compile(
    r"\bD[-./]C\b\.?|\bA[./]C\b\.?|\bT°|[^\W\d_]+n['’]t\b|[^\W\d_]+|\d+(?:[.,]\d+)?(?:\s*[%°])?|\n|[.;:!?,()…–—/+&]|(?<=\s)-(?=\s)",  # noqa: RUF001 - as people type it
    re.IGNORECASE,
)
ABBREVIATIONS = frozenset({"res", "reserv", "temp", "hum", "syst", "debr", "rebr", "hse", "ss", "h", "r"})
"""Where a full stop follows one of these, it ends no clause."""
LONGEST = 200
"""Words of a clause: a text without any sign takes no more time than another."""
LABEL = 3
"""What so few words before a colon name is said of behind it."""
REACH = 7
"""So many words further at most, what belongs to a verb stands."""
ENGLISH = ("my", "the", "a", "his", "her", "their", "our")
"""Behind these `car` is a noun, and not French for "because"."""
LITRES = frozenset({"l", "lt", "lts"})
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
    has_stop: bool = False
    """Whether a full stop follows at once: it may be an abbreviation."""


@dataclass(frozen=True)
class Item:
    """A word or phrase of a clause, and what the rules say of it."""

    tokens: Sequence[Token]
    entry: Entry
    words: Phrase

    @property
    def start(self) -> int:
        """Where it begins in the note."""
        return min(one.start for one in self.tokens)

    @property
    def end(self) -> int:
        """Where it ends in the note."""
        return max(one.end for one in self.tokens)

    @property
    def corrections(self) -> int:
        """How many of its words had a letter wrong."""
        return sum(token.is_corrected for token in self.tokens)

    def is_any(self, *roles: str) -> bool:
        """Whether it has one of these roles."""
        return not self.entry.roles.isdisjoint(roles)

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.tokens[0].is_number

    @property
    def is_unknown(self) -> bool:
        """Whether the rules know nothing of it: a word that may be what a clause speaks of."""
        return not self.entry.roles and not self.entry.states and not any(one.is_topic for one in self.entry.things)


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
            if said == ":" and _is_label(current, words):
                continue
            current.is_question = said == "?"
            current = _next(found, current, said)
            skip_stop = False
            continue
        token = _token(match)
        if text.startswith(".", token.end):
            token = replace(token, has_stop=True)
        if (cut := _cut(token)) is not None:
            current.tokens.append(cut[0])
            token = cut[1]
        if token.word in LITRES and current.tokens and current.tokens[-1].is_number:
            token = replace(token, word="litres")
        skip_stop = token.word in ABBREVIATIONS
        is_noun = token.word == "car" and bool(current.tokens) and current.tokens[-1].word in ENGLISH
        if token.word in words.splits and (found or current.tokens) and not is_noun:
            current = _next(found, current, token.word)
            continue
        current.tokens.append(token)
        if len(current.tokens) >= LONGEST:
            current = _next(found, current, ",")
    _next(found, current, "")
    return found


def may_say_something(text: str) -> bool:
    """Whether a note has a word of a phrase by which something is said; most have none, and need not be read."""
    return any(map(_may_tell, TOKEN.findall(text)))


def items(clause: Clause) -> list[Item]:
    """The words and phrases of a clause, the longest phrase first."""
    words = lexicon()
    tokens = _verbs_whole(clause.tokens, words)
    found = list(_items(tokens, words))
    meant = {id(one.tokens[0]): word for at, one in enumerate(found) if (word := _meant(found, at, words)) is not None}
    if not meant:
        return found
    return list(
        _items(
            [replace(one, word=meant[id(one)], is_corrected=True) if id(one) in meant else one for one in tokens], words
        )
    )


def _verbs_whole(tokens: Sequence[Token], words: Lexicon) -> Sequence[Token]:
    """English verbs with what belongs to them: "plug the system back in" as "plug back in the system"."""
    for at, token in enumerate(tokens):
        if token.word not in words.verbs:
            continue
        for end in range(at + 2, min(at + REACH, len(tokens))):
            particle = tokens[end].word
            if particle not in words.particles:
                continue
            size = 2 if particle == "back" and end + 1 < len(tokens) and tokens[end + 1].word in words.particles else 1
            if end + size < len(tokens) and tokens[end + size].word in words.determiners:
                size -= 1  # "in the wall" says where
            phrase = (token.word, *(one.word for one in tokens[end : end + size]))
            if size and phrase in words.entries:
                return [*tokens[: at + 1], *tokens[end : end + size], *tokens[at + 1 : end], *tokens[end + size :]]
    return tokens


def _meant(found: Sequence[Item], at: int, words: Lexicon) -> str | None:
    """The word that a mistyped one is, where one alone goes with what stands beside it."""
    item = found[at]
    if not item.is_unknown or item.is_number:
        return None
    candidates = likely(item.words[0])
    if item.tokens[0].has_stop:
        candidates |= _abbreviated().get(item.words[0], frozenset())
    if not candidates:
        return None
    is_short = len(item.words[0]) < SHORTEST and not item.tokens[0].has_stop
    beside = [one for one in (_next_to(found, at, -1, is_short), _next_to(found, at, 1, is_short)) if one is not None]
    fitting = {
        word
        for word in candidates
        if (entry := words.entries.get((word,))) is not None and any(_go_together(entry, one.entry) for one in beside)
    }
    meanings = {words.entries[(word,)].meaning for word in fitting}
    if len(meanings) == 1:
        return min(fitting)
    before, after = (found[place].words if 0 <= place < len(found) else () for place in (at - 1, at + 1))
    in_phrase = {
        word
        for word in candidates
        for phrase in ((*before, word), (word, *after), (*before, word, *after))
        if len(phrase) > 1 and phrase in words.entries
    }
    return in_phrase.pop() if len(in_phrase) == 1 and not fitting else None


@cache
def _abbreviated() -> dict[str, frozenset[str]]:
    """Beginning → the words by which something is said that it may stand for: "enl." for "enlevée"."""
    found: dict[str, set[str]] = defaultdict(set)
    for (word, *more), entry in lexicon().entries.items():
        if not more and any(not state.is_request for state in entry.states.values()):
            for end in range(SHORTEST - 1, len(word)):
                found[word[:end]].add(word)
    return {beginning: frozenset(words) for beginning, words in found.items()}


def _next_to(found: Sequence[Item], at: int, step: int, is_short: bool) -> Item | None:
    at += step
    while 0 <= at < len(found):
        if found[at].entry.says_something or not OPEN.isdisjoint(found[at].entry.roles):
            return found[at]
        if is_short or not found[at].entry.roles:
            return None
        at += step
    return None


def _go_together(one: Entry, other: Entry) -> bool:
    """Whether the one says something of a thing that the other names."""
    if any(OPEN & a.roles and b.things for a, b in ((one, other), (other, one))):
        return True
    return any(thing in other.states for thing in one.things) or any(thing in one.states for thing in other.things)


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
    word, is_corrected = _word(said)
    return Token(word, match.start(), match.end(), is_corrected=is_corrected)


@lru_cache(maxsize=65_536)
def _word(said: str) -> tuple[str, bool]:
    """How a word is compared, and whether it had a letter wrong."""
    word = plain(said)
    if said in ("où", "Où", "OÙ"):
        word = "where"  # without its accent it means "or"
    elif word == "t°":
        word = "temperature"
    elif "'" in word or "\N{RIGHT SINGLE QUOTATION MARK}" in word:
        word = "cannot" if word.startswith("c") else "not"
    elif not word.isalpha():
        word = word[0] + "c"
    meant = corrected(word)
    return meant, meant != word


@lru_cache(maxsize=65_536)
def _may_tell(said: str) -> bool:
    if not said[0].isalnum():
        return False
    word, telling = _word(said)[0], lexicon().telling
    may_mean = likely(word) | _abbreviated().get(word, frozenset())
    return word in telling or not telling.isdisjoint(may_mean) or _place_of_cut(word) is not None


def _is_label(current: Clause, words: Lexicon) -> bool:
    """Whether what stands before a colon is what the words behind it are said of: "Tank: empty"."""
    found = list(_items(current.tokens, words))
    if not found or len(current.tokens) > LABEL or found[-1].is_number:
        return False
    return any(one.entry.says_something or one.is_any("problems", "settled") for one in found)


def _cut(token: Token) -> tuple[Token, Token] | None:
    """Two words that were typed as one: "housseenlevée"."""
    word = token.word
    if token.is_number or token.end - token.start != len(word) or (at := _place_of_cut(word)) is None:
        return None
    middle = token.start + at
    return Token(word[:at], token.start, middle), Token(word[at:], middle, token.end)


@lru_cache(maxsize=65_536)
def _place_of_cut(word: str) -> int | None:
    words = lexicon()
    if len(word) <= 2 * SHORTEST or word in words.known:
        return None
    for at in range(SHORTEST - 1, len(word) - SHORTEST + 1):
        one, other = words.entries.get((word[:at],)), words.entries.get((word[at:],))
        if one is not None and other is not None and _go_together(one, other):
            return at
    return None


def _next(found: list[Clause], current: Clause, joined_by: str) -> Clause:
    if not current.tokens:
        if not current.joined_by or joined_by not in (",", "\n"):
            current.joined_by = joined_by
        return current
    found.append(current)
    return Clause(joined_by=joined_by)
