"""The words of the rules, and how they are recognized: without accents and capitals, with one letter wrong.

A file of `rules/` is one kind of alert. `[[thing]]` is something that notes speak of: its `words`; the words by which
something is wrong with it (`opens`) or as it should be (`resolves`), for certain or not (`unsure_…`); words that ask
for what has yet to be done (`requests`); `alone`: those of them that need no thing; `alone_opens`, `alone_resolves`:
phrases that say all by themselves; `may_lack`: that there is none is wrong too; `needed`: that one is needed is wrong
too; `short`: words that are too short to stand anywhere but right behind the thing. `~` stands for the endings of a
French participle. `words.toml` holds what all kinds share.
"""

from __future__ import annotations

import hashlib
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

Effect = Literal["opens", "resolves"]
KINDS = ("housse", "alimentation", "reservoir", "environnement")
RULES = files("gazelle_sync.shop.maintenance") / "rules"
CODE = ("lexicon", "clauses", "saying", "reading", "climate")
"""The modules that read notes."""
SHORTEST = 4
"""A word with fewer letters has to be written as it is."""
ROLES = (
    "negations", "no_longer", "failed", "done", "wishes", "lacks", "needs", "not_needed", "problems", "settled",
    "hedges", "blocks", "always", "others", "fillers",
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """Something that notes speak of."""

    kind: str
    name: str
    may_lack: bool = False
    needed: bool = False


@dataclass(frozen=True)
class State:
    """What a word says of a thing.

    Attributes:
        effect: Whether something is wrong, or as it should be.
        is_sure: Whether the word alone says so.
        is_request: Whether it asks for something that is yet to be done.
        is_short: Whether it has to stand right behind the thing.
    """

    effect: Effect
    is_sure: bool = True
    is_request: bool = False
    is_short: bool = False


@dataclass
class Entry:
    """A word or phrase of the rules.

    Attributes:
        things: What it may name.
        states: What it says of things.
        alone: What it says where nothing is named.
        roles: Lists of `words.toml` that hold it.
    """

    things: list[Thing] = field(default_factory=list)
    states: dict[Thing, State] = field(default_factory=dict)
    alone: dict[Thing, State] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)

    @property
    def meaning(self) -> tuple[object, ...]:
        """Equal for words that say the same: of two that a mistyped word may be, either will do then."""
        return (
            frozenset(thing.kind for thing in self.things),
            frozenset((state.effect, state.is_request) for state in self.states.values()),
            frozenset(self.roles - {"fillers"}),
        )

    @property
    def says_something(self) -> bool:
        """Whether it is a word of a kind of alert, and not one that all share."""
        return bool(self.things or self.states or self.alone)


Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """All words and phrases.

    Attributes:
        entries: By their words.
        longest: First word → the number of words of the longest phrase that begins with it.
        known: Every word that is no mistyped one.
        fuzzy: A word, or one with a letter left out → the words of the rules that it may be.
        splits: Words that begin another clause.
        determiners: Words between a state and the noun that it governs.
        actives: Words behind which somebody does something: "have filled".
        between: Words that may stand between a thing and a short state.
    """

    entries: Mapping[Phrase, Entry]
    longest: Mapping[str, int]
    known: frozenset[str]
    fuzzy: Mapping[str, frozenset[str]]
    splits: frozenset[str]
    determiners: frozenset[str]
    actives: frozenset[str]
    between: frozenset[str]


def plain(text: str) -> str:
    """Without accents and capitals."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


@cache
def lexicon() -> Lexicon:
    """The rules, read once."""
    shared = _read("words")
    entries: dict[Phrase, Entry] = defaultdict(Entry)
    for role in ROLES:
        for phrase in _phrases(shared[role], shared["endings"]):
            entries[phrase].roles.add(role)
    for kind in KINDS:
        for told in _read(kind)["thing"]:
            _add_thing(entries, kind, told, shared["endings"])
    longest: dict[str, int] = {}
    for phrase in entries:
        longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
    words = {word for phrase in entries for word in phrase}
    meant = {
        word for phrase, entry in entries.items() if entry.says_something for word in phrase if len(word) >= SHORTEST
    }
    meant -= {word for (word, *rest), entry in entries.items() if not rest and "fillers" in entry.roles}
    fuzzy: dict[str, set[str]] = defaultdict(set)
    for word in meant:
        for shorter in (word, *_shortened(word)):
            fuzzy[shorter].add(word)
    return Lexicon(
        dict(entries),
        longest,
        frozenset({*words, *shared["real"], *shared["splits"]}),
        {short: frozenset(found) for short, found in fuzzy.items()},
        frozenset(shared["splits"]),
        *(frozenset(shared[name]) for name in ("determiners", "actives", "between")),
    )


@cache
def version() -> str:
    """Changes with the rules: what was read by others is read again."""
    texts = [RULES.joinpath(f"{name}.toml").read_bytes() for name in ("words", *KINDS)]
    code = [files("gazelle_sync.shop.maintenance").joinpath(f"{name}.py").read_bytes() for name in CODE]
    return hashlib.sha256(b"\0".join(texts + code)).hexdigest()[:16]


@lru_cache(maxsize=65_536)
def corrected(word: str) -> str:
    """The word of the rules that a mistyped one is; the word itself where it is none, or may be two."""
    words = lexicon()
    if len(word) < SHORTEST - 1 or word in words.known:
        return word
    candidates = {
        known
        for shorter in (word, *_shortened(word))
        for known in words.fuzzy.get(shorter, ())
        if _is_one_letter_away(word, known)
    }
    candidates = {known for known in candidates if (known,) in words.entries} or candidates
    if not candidates:
        return word
    meanings = {words.entries[(known,)].meaning if (known,) in words.entries else known for known in candidates}
    return max(sorted(candidates), key=_reach) if len(meanings) == 1 else word


def _reach(word: str) -> int:
    """How much a word may be said of."""
    entry = lexicon().entries.get((word,))
    return len(entry.states) if entry else 0


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(RULES.joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _add_thing(entries: dict[Phrase, Entry], kind: str, told: Mapping[str, Any], endings: list[str]) -> None:
    thing = Thing(kind, told["name"], told.get("may_lack", False), told.get("needed", False))
    short = set(_phrases(told.get("short", []), endings))
    for phrase in _phrases(told["words"], endings):
        entries[phrase].things.append(thing)
    alone = set(_phrases(told.get("alone", []), endings))
    lists: tuple[tuple[str, State], ...] = (
        ("unsure_opens", State("opens", is_sure=False)),
        ("unsure_resolves", State("resolves", is_sure=False)),
        ("opens", State("opens")),
        ("resolves", State("resolves")),
        ("requests", State("opens", is_request=True)),
    )
    for name, state in lists:
        for phrase in _phrases(told.get(name, []), endings):
            said = State(state.effect, state.is_sure, state.is_request, phrase in short)
            entries[phrase].states[thing] = said
            if phrase in alone:
                entries[phrase].alone[thing] = said
    effects: tuple[Effect, Effect] = ("opens", "resolves")
    for effect in effects:
        for phrase in _phrases(told.get(f"alone_{effect}", []), endings):
            entries[phrase].states[thing] = entries[phrase].alone[thing] = State(effect)


def _phrases(texts: list[str], endings: list[str]) -> Iterator[Phrase]:
    for text in texts:
        for ending in endings if "~" in text else [""]:
            yield tuple(text.replace("~", ending).split())


def _shortened(word: str) -> set[str]:
    return {word[:place] + word[place + 1 :] for place in range(len(word))}


def _is_one_letter_away(word: str, known: str) -> bool:
    """Whether one letter is missing, too many, another, or changed places with its neighbour."""
    if abs(len(word) - len(known)) > 1 or (len(known) == SHORTEST and word[0] != known[0]):
        return False
    if len(word) != len(known):
        longer, shorter = (word, known) if len(word) > len(known) else (known, word)
        return shorter in _shortened(longer)
    wrong = [place for place, (a, b) in enumerate(zip(word, known, strict=True)) if a != b]
    if len(wrong) == 1:
        return len(known) > SHORTEST + 1
    is_next = len(wrong) == 2 and wrong[1] == wrong[0] + 1
    return is_next and (word[wrong[0]], word[wrong[1]]) == (known[wrong[1]], known[wrong[0]])
