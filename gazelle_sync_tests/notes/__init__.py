"""Invented notes, each with what it says of covers, power, tanks and climate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gazelle_sync.shop.maintenance.lexicon import KINDS
from gazelle_sync.shop.maintenance.reading import findings_in

FOLDER = Path(__file__).parent
LETTERS = {kind[0]: kind for kind in KINDS}
EFFECTS = {"+": "opens", "-": "resolves"}


@dataclass(frozen=True)
class Note:
    """A note and its label.

    Attributes:
        text: The note.
        says: Kind → what holds at its end: `opens` or `resolves`.
        may_be_suggested: Whether a suggestion, or nothing, is right as well.
    """

    text: str
    says: dict[str, str]
    may_be_suggested: bool


@dataclass(frozen=True)
class Judged:
    """How the rules did on a set.

    Attributes:
        counts: (kind, label, what was read) → number of notes; `suggested` stands for any suggestion.
        wrong: What was read wrongly, in sentences.
    """

    counts: Counter[tuple[str, str, str]]
    wrong: list[str]

    def precision(self, kind: str | None = None) -> float:
        """Of what was read for certain, the share that the labels say too."""
        read = self._sum(kind, lambda _, found: found in EFFECTS.values())
        return self._sum(kind, lambda said, found: found in EFFECTS.values() and said == found) / read

    def recall(self, kind: str | None = None) -> float:
        """Of what the labels say, the share that was read for certain; a suggestion counts as missed."""
        said = self._sum(kind, lambda said, _: said != "nothing")
        return self._sum(kind, lambda wanted, found: wanted == found != "nothing") / said

    def table(self) -> str:
        """Rows: what the labels say; columns: what was read."""
        found = ("opens", "resolves", "suggested", "nothing")
        lines = [f"{'kind':15}{'label':10}" + "".join(f"{name:>11}" for name in found)]
        for kind in KINDS:
            for said in ("opens", "resolves", "nothing"):
                counts = "".join(f"{self.counts[kind, said, one]:>11}" for one in found)
                lines += [f"{kind:15}{said:10}{counts}"]
            lines.append(f"{kind:15}precision {self.precision(kind):.3f}, recall {self.recall(kind):.3f}")
        return "\n".join([*lines, f"all: precision {self.precision():.3f}, recall {self.recall():.3f}", *self.wrong])

    def _sum(self, kind: str | None, is_meant: Callable[[str, str], bool]) -> int:
        return sum(
            number
            for (of, said, found), number in self.counts.items()
            if (kind is None or of == kind) and is_meant(said, found)
        )


def notes(name: str) -> list[Note]:
    """The notes of a set; what each is for stands at its top."""
    return list(_notes((FOLDER / f"{name}.txt").read_text(encoding="utf-8")))


def judge(labelled: list[Note]) -> Judged:
    """Read a set by the rules."""
    counts: Counter[tuple[str, str, str]] = Counter()
    wrong: list[str] = []
    for note in labelled:
        read = {one.kind: one for one in findings_in(note.text) if one.effect != "normal"}
        for kind in KINDS:
            said, one = note.says.get(kind, "nothing"), read.get(kind)
            found = "nothing" if one is None else "suggested" if one.status == "suggested" else one.effect
            if note.may_be_suggested and found in ("suggested", "nothing"):
                said = "nothing"
            counts[kind, said, found] += 1
            if said != found and not (said == "nothing" and found == "suggested"):
                wrong.append(f"{note.text!r}: {kind} {said}, and was read as {found}")
    return Judged(counts, wrong)


def _notes(text: str) -> Iterator[Note]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            label, _, note = line.partition(" | ")
            marks = label.split()
            says = {LETTERS[mark[0]]: EFFECTS[mark[1]] for mark in marks if mark not in (".", "?")}
            yield Note(note, says, "?" in marks)
