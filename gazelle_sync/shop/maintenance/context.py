"""What stands around a word of a clause, and bears on what it says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gazelle_sync.shop.maintenance.clauses import Clause, Item, items
from gazelle_sync.shop.maintenance.lexicon import State, Thing, lexicon

CLIMATE = "environnement"
ALSO = ("et", "and", "ou", "or")
"""What joins a clause to the one before it."""
POSSESSED = ("la", "l", "le", "mon", "ma", "son", "sa", "ce", "cette", "notre")
"""Behind one of these and `a`, which is "at" then, nothing is governed."""
PLACES = ("the", "a", "this", "that", "my", "our", "his", "her")
OF = ("de", "d", "of")
OWN_NEGATION = ("pas", "plus", "non", "not", "ne")
"""A phrase that begins with one of these is not negated by it."""
ADVERB = 7
"""Letters of the shortest word that its ending makes an adverb, and no noun."""
SINCE = ("depuis", "since", "from", "comme", "like")
TOO = ("trop", "aussi", "too")
Found = tuple[int, tuple[Thing, ...]] | str | None
"""Where a thing stands and what it is; `other`: something else; `powered`: something else that has a plug; `unknown`: a
word where a noun is expected."""


@dataclass
class Topic:
    """What the clauses so far speak of: a thing of ours, or something else."""

    things: tuple[Thing, ...] = ()
    is_other: bool = False
    waiting: tuple[tuple[Item, Thing], ...] = ()
    """Things that a clause named and said nothing of, where the next one is joined by "and"."""
    is_about_other: bool = False
    """Whether the clause before named something else, and said nothing of a thing of ours."""
    is_condition: bool = False
    """Whether the sentence so far says when or if: "if it is empty"."""


class ClauseContext:
    """A clause, and what the clauses before it leave to it."""

    def __init__(self, clause: Clause, topic: Topic) -> None:
        self.words = lexicon()
        self.clause = clause
        self.topic = topic
        self.items = items(clause)

    # Things

    def _left(self, place: int, fits: Callable[[Thing], bool]) -> Found:
        for at in range(place - 1, -1, -1):
            if (found := self._at(at, fits)) is not None:
                return found
        return None

    def _right(self, place: int, fits: Callable[[Thing], bool]) -> Found:
        """What directly follows: a thing, something else, or an unknown word where a noun is expected."""
        for at in range(place + 1, len(self.items)):
            item = self.items[at]
            if (found := self._at(at, fits)) is not None:
                return found
            if item.is_any("negations") and at == place + 1:
                continue  # "does not fill the tank", as French says it
            if item.words == ("a",) and at + 1 < len(self.items):
                after = self.items[at + 1]
                if after.is_number or after.words[0] in POSSESSED or after.is_any("fillers"):
                    return None  # "at the": it governs no noun
            said = " ".join(item.words)
            if item.is_number or said in self.words.amounts or said in self.words.determiners:
                continue
            is_adverb = said.endswith(("ment", "ly")) and len(said) >= ADVERB
            is_noun = item.is_unknown and not is_adverb and (at > place + 1 or self._is_active(place))
            return "unknown" if is_noun else None
        return None

    def _at(self, at: int, fits: Callable[[Thing], bool]) -> Found:
        item = self.items[at]
        if item.entry.things and self._is_of_something(at):
            return "other"
        things = tuple(thing for thing in item.entry.things if fits(thing) and self._stands_beside(thing.beside))
        if things:
            return at, things
        return "powered" if item.is_any("powered") else "other" if item.is_any("others") else None

    def _is_of_something(self, at: int) -> bool:
        """Whether it belongs to something else: "cover of a chair", "system of lights", "house keys"."""
        after = self.items[at + 1 : at + 4]
        if after and after[0].is_any("others") and not after[0].entry.things:
            return True
        if not after or after[0].words not in (("de",), ("d",), ("du",), ("des",)):
            return False
        noun = next((one for one in after[1:] if one.words[0] not in self.words.determiners), None)
        if noun is None:
            return False
        is_of = noun is after[1] and after[0].words[0] in OF
        return noun.is_any("others") or (is_of and noun.is_unknown and noun.words[0] not in self.words.qualifiers)

    def _stands_beside(self, names: Sequence[str]) -> bool:
        """Whether one of these things is named too: in this clause, or in the one that it goes on from."""
        if not names:
            return True
        named = {thing.name for one in self.items for thing in one.entry.things if not thing.beside}
        if self.clause.joined_by in (",", *ALSO):
            named.update(thing.name for thing in self.topic.things)
        return not named.isdisjoint(names)

    # Order

    def _before(self, place: int) -> list[Item]:
        """What stands before a word and belongs to it: back to the state before it."""
        found: list[Item] = []
        for item in reversed(self.items[:place]):
            if item.entry.states and not item.entry.things and not item.is_any("fillers", "lacks", "negations"):
                break
            found.insert(0, item)
        return found

    def _state_follows(self, place: int) -> bool:
        """Whether a state is said of the thing that follows: "no empty tank" lacks no tank."""
        things: list[Thing] = []
        for item in self.items[place + 1 :]:
            if things and item.entry.things and not item.entry.states:
                return False
            things += item.entry.things
            if item.is_any("problems"):
                return True
            if any(thing in things and not state.is_short for thing, state in item.entry.states.items()):
                return True
        return False

    def _is_active(self, place: int) -> bool:
        """Whether somebody does it: "removed the cover", "I have filled it"."""
        before = [
            one for one in self.items[:place] if one.words[0] not in ("bien", "aussi", "just", "also", "tout", "deja")
        ]
        return not before or before[-1].words[-1] in self.words.actives

    def _has_pronoun(self, place: int) -> bool:
        """Whether what it is said of was named before: "they have unplugged it"."""
        before = [one.words[-1] for one in self.items[max(place - 2, 0) : place]]
        return len(before) == 2 and before[0] == "l" and before[1] in self.words.actives

    def _is_tight(self, at: int, place: int) -> bool:
        if self.items[place].words == ("on",) and self._stands_on(place):
            return False
        if at > place:
            return at == place + 1 or all(one.words[-1] in self.words.determiners for one in self.items[place + 1 : at])
        between = self.items[at + 1 : place]
        after = self.items[place + 1 :]
        is_same = bool(after) and any(thing in after[0].entry.states for thing in self.items[at].entry.things)
        follows = (
            is_same
            or not after
            or not (after[0].is_unknown or after[0].entry.says_something or after[0].is_any("blocks"))
        )
        return follows and all(one.words[-1] in self.words.between or one.is_any("negations") for one in between)

    def _stands_on(self, place: int) -> bool:
        """Whether "on" says where: "on the floor"."""
        return place + 1 < len(self.items) and self.items[place + 1].words[0] in (
            "the",
            "a",
            "this",
            "that",
            "my",
            "our",
            "his",
            "her",
        )

    # Not, if, once

    def _negation(self, place: int, before: Sequence[Item], thing: Thing, state: State) -> tuple[bool, bool]:
        """Whether a state is negated, and whether by "no longer"."""
        if self.items[place].words[0] in OWN_NEGATION:
            return False, False  # the phrase has its own
        has_ne = any(one.words[0] in ("n", "ne") for one in before)
        longer = [one for one in before if one.is_any("no_longer")]
        could_be_more = thing.kind == CLIMATE and state.effect == "opens" and self.items[place].words[0] not in TOO
        adjacent = bool(longer) and before[-1] is longer[-1]
        if longer and (has_ne or longer[-1].words != ("plus",) or (adjacent and not could_be_more)):
            return True, state.effect == "opens" or has_ne or longer[-1].words != ("plus",)
        negations = [one for at, one in enumerate(before) if _is_negation(one, before[at + 1 :], thing)]
        if negations:
            only_ne = all(one.words[0] in ("n", "ne") for one in negations)
            return not (only_ne and bool(longer)), False
        after = self.items[place + 1 :]
        is_after = bool(after) and after[0].is_any("negations") and after[0].words[0] in ("pas", "non", "no", "not")
        return is_after and not any(one.entry.states or one.is_any("lacks") for one in after), False

    def _carry_condition(self) -> None:
        """Whether the sentence says when or if; "when I arrived" does not."""
        if any(one.is_any("conditions") for one in self.items):
            self.topic.is_condition = not any(one.is_any("arrivals") for one in self.items)
        elif self.clause.joined_by not in (",", *ALSO):
            self.topic.is_condition = False

    def _is_conditional(self, place: int) -> bool:
        is_said = any(one.is_any("conditions") for one in self.items[:place])
        return self.topic.is_condition and (is_said or self.clause.joined_by in ALSO)

    def _is_full_of_something(self, place: int) -> bool:
        """Whether it is covered with dust, or full of paper; or a vase that is full of water."""
        item, after = self.items[place], self.items[place + 1 : place + 3]
        if not item.is_any("filled_with") or len(after) < 2 or after[0].words[0] not in (*OF, "with", "by"):
            return False
        before = self.items[place - 1] if place else None
        of_something = before is not None and not before.entry.things and (before.is_unknown or before.is_any("others"))
        return of_something or after[1].is_unknown or after[1].is_any("others")

    def _goes_on(self, place: int, thing: Thing, state: State) -> bool:
        """Whether it only goes on with what the word before it says: "put back" "on the piano"."""
        for item in reversed(self.items[:place]):
            before = item.entry.states.get(thing)
            if before is not None and not item.is_any("fillers"):
                return not state.is_request and (before.is_request or before.effect == state.effect)
            if not item.is_any("fillers") and thing not in item.entry.things:
                return False
        return False

    def _is_past(self) -> bool:
        """Whether it was so at an earlier visit; what has been so since then still is."""
        found = [at for at, one in enumerate(self.items) if one.is_any("past")]
        return any(not any(one.words[0] in SINCE for one in self.items[max(at - 2, 0) : at]) for at in found)

    def _is_outside(self, thing: Thing) -> bool:
        return thing.kind == CLIMATE and any(one.is_any("outside") for one in self.items)


def _is_negation(item: Item, after: Sequence[Item], thing: Thing) -> bool:
    """Whether a word says "not" of a thing: "without a cover at an open window" says it of the cover alone."""
    if item.is_any("negations") and not item.is_any("lacks"):
        return True
    if not item.is_any("lacks") or item.words == ("ss",):
        return False
    lacking = next((one.entry.things for one in after if one.entry.things), [thing])
    return thing in lacking or not any(one.may_lack for one in lacking)
