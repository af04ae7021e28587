"""The words of the rules, and how they are recognized: without accents and capitals, with one letter wrong.

A file of `rules/` is one kind of alert. `[[thing]]` is something that notes speak of: its `words`; the words by which
something is wrong with it (`opens`) or as it should be (`resolves`), for certain or not (`unsure_…`); words that ask
for what has yet to be done (`requests`); `alone`: those of them that need no thing; `alone_opens`, `alone_resolves`:
phrases that say all by themselves; `may_lack`: that there is none is wrong too (`lacks_only`: of these of its words);
`needed`: that one is needed is wrong too; `short`: words that are too short to stand anywhere but right behind the
thing, or before it; `behind`: infinitives that are mistyped participles where they stand right behind it; `beside`:
things that its clause has to name as well (`lacks_beside`: where it says that there is none); `is_topic = false`: no
other clause takes it up. `~` stands for the endings of a French participle. What "low" says of a thing, "too low" says
too. `words.toml` holds what all kinds share, `ordinary.txt` everyday words that are no mistyped ones.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Literal

from gazelle_sync.i18n.folding import without_accents

Effect = Literal["opens", "resolves"]
KINDS = ("housse", "alimentation", "reservoir", "environnement")
RULES = files("gazelle_sync.shop.maintenance") / "rules"
CODE = ("lexicon", "clauses", "context", "statements", "reading", "climate")
"""The modules that read notes."""
SHORTEST = 4
"""A word with fewer letters has to be written as it is."""
OPEN = frozenset({"lacks", "problems", "needs", "settled"})
"""Roles of words that say something of what is named, as a state does; the others only change what is said."""
ROLES = (
    "negations", "no_longer", "failed", "done", "wishes", "future", "conditions", "arrivals", "outside",
    "filled_with", "powered", "past", "lacks", "needs", "not_needed", "problems", "settled", "hedges", "blocks",
    "always", "others", "fillers",
)  # fmt: skip


Phrase = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that notes speak of; its attributes are those of the file."""

    kind: str
    name: str
    may_lack: bool = False
    needed: bool = False
    is_topic: bool = True
    beside: tuple[str, ...] = ()
    lacks_beside: tuple[str, ...] = ()
    lacks_only: frozenset[Phrase] = frozenset()


@dataclass(frozen=True)
class State:
    """What a word says of a thing.

    Attributes:
        effect: Whether something is wrong, or as it should be.
        is_sure: Whether the word alone says so.
        is_request: Whether it asks for something that is yet to be done.
        is_short: Whether it has to stand right behind the thing, or before it.
        is_behind: Whether it may stand behind it only: an infinitive that is a mistyped participle.
    """

    effect: Effect
    is_sure: bool = True
    is_request: bool = False
    is_short: bool = False
    is_behind: bool = False


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
        amounts: Words between a state and how much it is said of: "added about two litres".
        qualifiers: Words behind "of" that leave a thing what it is: "cover of velvet".
        verbs: English verbs that others belong to, further on: "plug" it "back in".
        particles: Those others.
        telling: The longest word of each phrase by which something is said (`ClauseReader.read`): a note without any
            of them says nothing.
    """

    entries: Mapping[Phrase, Entry]
    longest: Mapping[str, int]
    known: frozenset[str]
    fuzzy: Mapping[str, frozenset[str]]
    splits: frozenset[str]
    determiners: frozenset[str]
    actives: frozenset[str]
    between: frozenset[str]
    amounts: frozenset[str]
    qualifiers: frozenset[str]
    verbs: frozenset[str]
    particles: frozenset[str]
    telling: frozenset[str]


def plain(text: str) -> str:
    """Without accents, capitals and ligatures."""
    return without_accents(text if text.isascii() else text.casefold().replace("œ", "oe").replace("æ", "ae"))


@cache
def lexicon() -> Lexicon:
    """The rules, read once."""
    shared = _read("words")
    entries: dict[Phrase, Entry] = defaultdict(Entry)
    for role in ROLES:
        for phrase in _phrases(shared[role], shared["endings"]):
            entries[phrase].roles.update((role, "others") if role == "powered" else (role,))
    for kind in KINDS:
        for told in _read(kind)["thing"]:
            _add_thing(entries, kind, told, shared["endings"])
    _inherit(entries, frozenset(shared["adverbs"]))
    longest: dict[str, int] = {}
    for phrase in entries:
        longest[phrase[0]] = max(longest.get(phrase[0], 0), len(phrase))
    words = {word for phrase in entries for word in phrase}
    words |= {
        text.removesuffix("~") + ending
        for text in re.findall(r"(?<![\w ])\w+e~", "".join(_text(kind) for kind in KINDS))
        for ending in shared["verb_endings"]
    }
    meant = {
        word for phrase, entry in entries.items() if entry.says_something for word in phrase if len(word) >= SHORTEST
    }
    meant -= {
        word
        for (word, *rest), entry in entries.items()
        if not rest and ("fillers" in entry.roles or (entry.roles and not entry.says_something))
    }
    meant |= {
        word for (word, *rest), entry in entries.items() if not rest and entry.roles & OPEN and len(word) >= SHORTEST
    }
    fuzzy: dict[str, set[str]] = defaultdict(set)
    for word in meant:
        for shorter in (word, *_shortened(word)):
            fuzzy[shorter].add(word)
    return Lexicon(
        dict(entries),
        longest,
        frozenset({*words, *shared["splits"], *_ordinary().split()}),
        {short: frozenset(found) for short, found in fuzzy.items()},
        frozenset(shared["splits"]),
        determiners=frozenset(shared["determiners"]),
        actives=frozenset(shared["actives"]),
        between=frozenset(shared["between"]),
        amounts=frozenset(shared["amounts"]),
        qualifiers=frozenset(shared["qualifiers"]),
        verbs=frozenset(shared["verbs"]),
        particles=frozenset(shared["particles"]),
        telling=frozenset(
            max(phrase, key=len) for phrase, entry in entries.items() if entry.states or entry.roles & OPEN
        ),
    )


@cache
def version() -> str:
    """Changes with the rules: what was read by others is read again."""
    texts = [RULES.joinpath(f"{name}.toml").read_bytes() for name in ("words", *KINDS)] + [_ordinary().encode()]
    code = [files("gazelle_sync.shop.maintenance").joinpath(f"{name}.py").read_bytes() for name in CODE]
    return hashlib.sha256(b"\0".join(texts + code)).hexdigest()[:16]


@lru_cache(maxsize=65_536)
def corrected(word: str) -> str:
    """The word of the rules that a mistyped one is; the word itself where it is none, or may be two."""
    words = lexicon()
    if len(word) < SHORTEST:
        return word
    candidates = {known for known in likely(word) if not _is_short_and_other(word, known)}
    candidates = {known for known in candidates if not _has_one_too_many(word, known)} or candidates
    candidates = {known for known in candidates if (known,) in words.entries} or candidates
    if not candidates:
        return word
    meanings = {words.entries[(known,)].meaning if (known,) in words.entries else known for known in candidates}
    return max(sorted(candidates), key=_reach) if len(meanings) == 1 else word


@lru_cache(maxsize=65_536)
def likely(word: str) -> frozenset[str]:
    """The words of the rules that are one letter away from a word that is none of theirs, nor an ordinary one."""
    words = lexicon()
    if len(word) < SHORTEST - 1 or word in words.known:
        return frozenset()
    return frozenset(
        known
        for shorter in (word, *_shortened(word))
        for known in words.fuzzy.get(shorter, ())
        if _is_one_letter_away(word, known)
    )


def _reach(word: str) -> int:
    """How much a word may be said of."""
    entry = lexicon().entries.get((word,))
    return len(entry.states) if entry else 0


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(_text(name))


def _ordinary() -> str:
    """Everyday words that are one letter away from a word of the rules: none of them is a mistyped one."""
    return RULES.joinpath("ordinary.txt").read_text(encoding="utf-8")


def _text(name: str) -> str:
    return RULES.joinpath(f"{name}.toml").read_text(encoding="utf-8")


def _add_thing(entries: dict[Phrase, Entry], kind: str, told: Mapping[str, Any], endings: list[str]) -> None:
    thing = Thing(
        kind,
        told["name"],
        told.get("may_lack", False),
        told.get("needed", False),
        told.get("is_topic", True),
        tuple(told.get("beside", ())),
        tuple(told.get("lacks_beside", ())),
        frozenset(_phrases(told.get("lacks_only", []), endings)),
    )
    behind = set(_phrases(told.get("behind", []), endings))
    short = behind | set(_phrases(told.get("short", []), endings))
    for phrase in _phrases(told["words"], endings):
        entries[phrase].things.append(thing)
    alone = set(_phrases(told.get("alone", []), endings))
    lists: tuple[tuple[str, State], ...] = (
        ("unsure_opens", State("opens", is_sure=False)),
        ("unsure_resolves", State("resolves", is_sure=False)),
        ("behind", State("opens")),
        ("opens", State("opens")),
        ("resolves", State("resolves")),
        ("requests", State("opens", is_request=True)),
    )
    for name, state in lists:
        for phrase in _phrases(told.get(name, []), endings):
            said = State(state.effect, state.is_sure, state.is_request, phrase in short, phrase in behind)
            entries[phrase].states[thing] = said
            if phrase in alone:
                entries[phrase].alone[thing] = said
    effects: tuple[Effect, Effect] = ("opens", "resolves")
    for effect in effects:
        for phrase in _phrases(told.get(f"alone_{effect}", []), endings):
            entries[phrase].states[thing] = entries[phrase].alone[thing] = State(effect)


def _inherit(entries: dict[Phrase, Entry], adverbs: frozenset[str]) -> None:
    """What a word says of a thing, it says with an adverb too."""
    for phrase in sorted(entries, key=len):
        of = entries.get(phrase[1:]) if len(phrase) > 1 and phrase[0] in adverbs else None
        if of is not None:
            for thing, state in of.states.items():
                entries[phrase].states.setdefault(thing, state)


def _phrases(texts: list[str], endings: list[str]) -> Iterator[Phrase]:
    for text in texts:
        for ending in endings if "~" in text else [""]:
            yield tuple(text.replace("~", ending).split())


def _shortened(word: str) -> set[str]:
    return {word[:place] + word[place + 1 :] for place in range(len(word))}


def _is_one_letter_away(word: str, known: str) -> bool:
    """Whether one letter is missing, too many, another, or changed places with its neighbour."""
    if abs(len(word) - len(known)) > 1:
        return False
    if len(word) != len(known):
        longer, shorter = (word, known) if len(word) > len(known) else (known, word)
        return shorter in _shortened(longer)
    wrong = [place for place, (a, b) in enumerate(zip(word, known, strict=True)) if a != b]
    if len(wrong) == 1:
        return True
    is_next = len(wrong) == 2 and wrong[1] == wrong[0] + 1
    return is_next and (word[wrong[0]], word[wrong[1]]) == (known[wrong[1]], known[wrong[0]])


def _has_one_too_many(word: str, known: str) -> bool:
    """Whether a letter is too many that is not simply doubled: less likely than one that is missing."""
    if len(word) != len(known) + 1:
        return False
    place = next((at for at, (a, b) in enumerate(zip(word, known, strict=False)) if a != b), len(known))
    return place == 0 or word[place] != word[place - 1]


def _is_short_and_other(word: str, known: str) -> bool:
    """Whether a short word may as well be another one, so that only what stands beside it can tell."""
    if len(known) == SHORTEST and word[0] != known[0]:
        return True
    return len(word) == len(known) <= SHORTEST + 1 and sorted(word) != sorted(known)
