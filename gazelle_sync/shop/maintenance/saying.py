"""What one clause says, and of what. Pure.

A state belongs to the nearest thing that it may be said of. Something else that stands nearer (a lamp, a string) takes
it away. A state whose clause names nothing takes up what the clauses before it spoke of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gazelle_sync.shop.maintenance.clauses import Clause, Item, items
from gazelle_sync.shop.maintenance.lexicon import Effect, State, Thing, lexicon

CLIMATE = "environnement"
CERTAIN, TAKEN_UP, ALONE, UNSURE = 0.95, 0.9, 0.85, 0.5
CORRECTION = 0.04
"""What each mistyped word takes from the confidence."""
SURE_FROM = 0.75
ANYTHING = Thing(CLIMATE, "*")
"""What is settled without a name: "problem solved"."""
FAR = 6
"""More unknown words than this between a thing and its state, and they may not belong together."""
OWN_NEGATION = ("pas", "plus", "non", "not", "ne")
"""A phrase that begins with one of these is not negated by it."""
Found = tuple[int, tuple[Thing, ...]] | str | None
"""Where a thing stands and what it is; `other`: something else; `unknown`: a word where a noun is expected."""


@dataclass(frozen=True)
class Said:
    """One thing's state, as one clause has it."""

    thing: Thing
    effect: Effect
    confidence: float
    start: int
    end: int
    clause: Clause
    of_the_other: bool = False
    """Whether the clause speaks of another one than the clause before: "one is empty, the other is full"."""

    @property
    def is_sure(self) -> bool:
        """Whether it is more than a suggestion."""
        return self.confidence >= SURE_FROM


@dataclass
class Topic:
    """What the clauses so far speak of: a thing of ours, or something else."""

    things: tuple[Thing, ...] = ()
    is_other: bool = False
    waiting: tuple[tuple[Item, Thing], ...] = ()
    """Things that a clause named and said nothing of, where the next one is joined by "and"."""


class ClauseReader:
    """Reads one clause, and leaves behind what the next one may take up."""

    def __init__(self, clause: Clause, topic: Topic) -> None:
        self.words = lexicon()
        self.clause = clause
        self.topic = topic
        self.items = items(clause)
        self.named: list[tuple[tuple[Thing, ...], bool]] = []
        """What states of this clause were said of: things, and whether it was something else."""

    def read(self) -> list[Said]:
        """Everything that the clause says."""
        found: list[Said] = []
        for place, item in enumerate(self.items):
            if item.is_any("problems"):
                found += self._problem(place)
            elif item.is_any("settled") and (settled := self._settled(place)):
                found += settled
            elif item.entry.states:
                found += self._state(place)
            elif item.is_any("lacks", "needs") and not self._state_follows(place):
                found += self._lack(place)
        self._leave(found)
        if self.clause.is_question:
            found = [replace(one, confidence=UNSURE) for one in found]
        return found

    # What is said

    def _state(self, place: int) -> list[Said]:
        item = self.items[place]
        targets = self._targets(place)
        said: list[Said] = []
        for thing, confidence, start, end in targets:
            state = item.entry.states.get(thing) or item.entry.alone.get(thing)
            if state is None or (one := self._judged(place, state)) is None:
                continue
            effect, certainty = one
            said.append(self._said(thing, effect, min(confidence, certainty), start, end))
        return said

    def _judged(self, place: int, state: State) -> tuple[Effect, float] | None:
        """The effect of a state with what stands around it, and how certain it is; None: it says nothing."""
        before = self._before(place)
        roles = {role for one in before for role in one.entry.roles}
        if "blocks" in roles:
            return None
        negated, for_good = self._negation(place, before, state)
        sure = CERTAIN if state.is_sure and "hedges" not in roles else UNSURE
        if "failed" in roles:
            return "opens", CERTAIN
        if state.is_request:
            return self._requested(negated=negated, roles=roles, sure=sure)
        if negated and state.effect == "opens":
            return "resolves", sure if for_good else UNSURE
        if negated or state.effect == "opens":
            return "opens", sure
        return ("opens", min(TAKEN_UP, sure)) if "wishes" in roles else ("resolves", sure)

    def _requested(self, *, negated: bool, roles: set[str], sure: float) -> tuple[Effect, float] | None:
        """What is asked for has yet to be done; an instruction for all days says nothing of today."""
        if negated or any(one.is_any("always") for one in self.items):
            return None
        return ("resolves", sure) if "done" in roles else ("opens", min(TAKEN_UP, sure))

    def _negation(self, place: int, before: Sequence[Item], state: State) -> tuple[bool, bool]:
        """Whether a state is negated, and whether by "no longer"."""
        if self.items[place].words[0] in OWN_NEGATION:
            return False, False  # the phrase has its own
        has_ne = any(one.words[0] in ("n", "ne") for one in before)
        longer = [one for one in before if one.is_any("no_longer")]
        adjacent = bool(longer) and before[-1] is longer[-1]
        if longer and (has_ne or longer[-1].words != ("plus",) or (adjacent and state.effect == "resolves")):
            return True, has_ne or longer[-1].words != ("plus",)
        negations = [one for one in before if one.is_any("negations", "lacks") and one.words != ("ss",)]
        if negations:
            only_ne = all(one.words[0] in ("n", "ne") for one in negations)
            return not (only_ne and bool(longer)), False
        after = self.items[place + 1 :]
        is_after = bool(after) and after[0].is_any("negations") and after[0].words[0] in ("pas", "non", "no", "not")
        return is_after and not any(one.entry.states or one.is_any("lacks") for one in after), False

    def _lack(self, place: int) -> list[Said]:
        """No cover; a power bar is needed."""
        item = self.items[place]
        target = self._right(place, lambda _: True)
        if not isinstance(target, tuple):
            return []
        at, things = target
        before, after = self._before(place), self.items[at + 1 :]
        if any(one.is_any("blocks", "needs") for one in before) or any(one.is_any("not_needed") for one in after):
            return []
        for thing in things:
            if item.is_any("needs"):
                if any(one.is_any("negations", "lacks") for one in before):
                    return []
                if thing.needed or thing.may_lack:
                    certainty = CERTAIN if thing.needed else UNSURE
                    return [self._said(thing, "opens", certainty, item.start, self.items[at].end)]
            elif thing.may_lack:
                unsure = any(one.is_any("hedges") for one in before)
                return [self._said(thing, "opens", UNSURE if unsure else CERTAIN, item.start, self.items[at].end)]
        return []

    def _problem(self, place: int) -> list[Said]:
        """A problem with the humidity; no problem with it; it is solved."""
        item = self.items[place]
        target = self._right(place, lambda _: True) or self._left(place, lambda _: True)
        things: tuple[Thing, ...] = ()
        start, end = item.start, item.end
        if isinstance(target, tuple):
            at, things = target
            start, end = min(start, self.items[at].start), max(end, self.items[at].end)
        climate = next((thing for thing in things if thing.kind == CLIMATE), None)
        if any(one.is_any("settled") for one in self.items) or climate is None:
            return []
        before = self._before(place)
        if any(one.is_any("blocks") for one in before):
            return []
        if any(one.is_any("negations", "lacks", "no_longer") for one in before):
            return [self._said(climate, "resolves", CERTAIN, start, end)]
        unsure = any(one.is_any("hedges") for one in before)
        return [self._said(climate, "opens", UNSURE if unsure else CERTAIN, start, end)]

    def _settled(self, place: int) -> list[Said]:
        """What was wrong with the climate is put right."""
        item = self.items[place]
        problem = any(one.is_any("problems") for one in self.items)
        in_clause = [thing for one in self.items for thing in one.entry.things if thing.kind == CLIMATE]
        others = any(one.is_any("others") or (one.is_unknown and not problem) for one in self.items)
        taken_up = not in_clause and not others and any(thing.kind == CLIMATE for thing in self.topic.things)
        if not (in_clause or taken_up):
            return []
        before = self._before(place)
        if any(one.is_any("blocks") for one in before):
            return []
        negated = any(one.is_any("negations", "lacks", "failed") for one in before)
        thing = in_clause[0] if in_clause and (negated or not problem) else ANYTHING
        if negated:
            return [self._said(thing if in_clause else self.topic.things[0], "opens", CERTAIN, item.start, item.end)]
        return [self._said(thing, "resolves", CERTAIN, self.clause.start, item.end)]

    # What it is said of

    def _targets(self, place: int) -> list[tuple[Thing, float, int, int]]:
        """The things that a state is said of, each with a confidence and where the words stand."""
        item = self.items[place]

        def fits(thing: Thing) -> bool:
            return thing in item.entry.states

        left, right = self._left(place, fits), self._right(place, fits)
        is_active = self._is_active(place)
        is_short = any(state.is_short for state in item.entry.states.values())
        chosen = right if right is not None and (is_active or left is None) else left
        if chosen == "other":
            self.named.append(((), True))
            return []
        if isinstance(chosen, tuple):
            at, things = chosen
            thing = next((one for one in things if fits(one)), None)
            if thing is None:
                return []
            if is_short and item.entry.states[thing].is_short and not self._is_tight(at, place):
                return []
            start, end = min(item.start, self.items[at].start), max(item.end, self.items[at].end)
            confidence = self._less_corrections(self._with_distance(at, place), self.items[at], item)
            found = [(thing, confidence, start, end)]
            self.named.append((things, False))
            if at < place and not any(one.entry.states for one in self.items[at + 1 : place]):
                found += [
                    (waiting, confidence, waited.start, end)
                    for waited, waiting in self.topic.waiting
                    if fits(waiting) and waiting.kind != thing.kind
                ]
            return found
        if chosen == "unknown" or any(state.is_short for state in item.entry.states.values()):
            return []
        return self._taken_up(place)

    def _taken_up(self, place: int) -> list[tuple[Thing, float, int, int]]:
        """A state without a thing in its clause: it takes up the thing before it, or stands for itself."""
        item = self.items[place]
        before = self.items[:place]
        if any(one.is_unknown or one.is_any("others") for one in before if one not in self._about_others(before)):
            return []
        is_request = any(state.is_request for state in item.entry.states.values())
        is_noun = (
            bool(before) and before[-1].words[-1] in self.words.determiners - {"l", "a"} and not self._is_active(place)
        )
        if is_noun and not is_request and len(item.words) == 1:
            return []
        after = self.items[place + 1 :]
        if after and after[0].words[0] in ("de", "d", "of") and not item.entry.alone:
            return []
        if self.topic.is_other:
            return []
        confidence = self._less_corrections(TAKEN_UP, item)
        found = [
            (thing, confidence, item.start, item.end) for thing in self.topic.things if thing in item.entry.states
        ][:1]
        if not found:
            confidence = self._less_corrections(ALONE, item)
            found = [(thing, confidence, item.start, item.end) for thing in item.entry.alone][:1]
        return found

    def _about_others(self, before: Sequence[Item]) -> list[Item]:
        return [one for one in before if one.entry.states or one.entry.things]

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
            if item.words[-1] in self.words.determiners or (len(item.words) == 1 and item.words[0].isdigit()):
                continue
            is_noun = item.is_unknown and (at > place + 1 or self._is_active(place))
            return "unknown" if is_noun else None
        return None

    def _at(self, at: int, fits: Callable[[Thing], bool]) -> Found:
        item = self.items[at]
        things = tuple(thing for thing in item.entry.things if fits(thing))
        if things:
            return at, things
        return "other" if item.is_any("others") else None

    # What stands around it

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
        things: set[Thing] = set()
        for item in self.items[place + 1 :]:
            things.update(item.entry.things)
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

    def _is_tight(self, at: int, place: int) -> bool:
        if at > place:
            return at == place + 1 or all(one.words[-1] in self.words.determiners for one in self.items[place + 1 : at])
        between = self.items[at + 1 : place]
        after = self.items[place + 1 :]
        follows = not after or not (after[0].is_unknown or after[0].entry.says_something or after[0].is_any("blocks"))
        return follows and all(one.words[-1] in self.words.between or one.is_any("negations") for one in between)

    def _with_distance(self, at: int, place: int) -> float:
        between = self.items[min(at, place) + 1 : max(at, place)]
        return CERTAIN if sum(one.is_unknown for one in between) <= FAR else UNSURE

    def _less_corrections(self, confidence: float, *said: Item) -> float:
        return confidence - CORRECTION * sum(one.corrections for one in said)

    def _said(self, thing: Thing, effect: Effect, confidence: float, start: int, end: int) -> Said:
        of_the_other = any(one.words[-1] in ("autre", "other") for one in self.items)
        return Said(thing, effect, confidence, start, end, self.clause, of_the_other)

    # What the next clause takes up

    def _leave(self, found: Sequence[Said]) -> None:
        topic = self.topic
        in_clause = [
            (one, one.entry.things, one.is_any("others"))
            for one in self.items
            if one.entry.things or one.is_any("others")
        ]
        said_of = [one.thing for one in found]
        topic.waiting = ()
        if said_of:
            topic.things, topic.is_other = tuple(reversed(said_of)), False
        elif self.named:
            topic.things, topic.is_other = self.named[-1]
        elif in_clause:
            _, things, is_other = in_clause[0]
            topic.things, topic.is_other = tuple(things), is_other and not things
            is_list = all(not one.is_unknown for one in self.items)
            topic.waiting = tuple((one, thing) for one, ours, _ in in_clause for thing in ours) if is_list else ()
