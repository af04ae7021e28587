"""Records that Gazelle cannot give: found out once in a run, and where it is all of them the entity fails soon."""

from __future__ import annotations

from dataclasses import dataclass, field

from gazelle_sync.errors import ApiError, OperationFailed
from gazelle_sync.i18n import gettext

SAME_IN_A_ROW = 20
"""So many with the very same error, and none that can be given: the entity fails, and the error names the field."""


@dataclass
class Refusals:
    """What a run knows of the records of one entity that Gazelle cannot give: nothing is asked twice to find it out.

    Attributes:
        ids: Id → why it could not be read when it was asked for alone.
        everywhere: The error that every record met, once that is known: no body of the entity is asked for any more.
        has_given: Whether Gazelle gave a body, of whichever record.
        tried_inside: Whether smaller pages of the lists inside records were tried, and did not help.
    """

    ids: dict[str, str] = field(default_factory=dict)
    everywhere: OperationFailed | None = None
    has_given: bool = False
    tried_inside: bool = False
    _said: frozenset[str] = frozenset()
    _in_a_row: int = 0

    def add(self, error: ApiError, records: int) -> None:
        """Count records that met an error.

        Raises:
            OperationFailed: So many met the same one, and none was given, that every record will.
        """
        if not isinstance(error, OperationFailed) or self.has_given:
            return
        said = frozenset(error.fields or error.messages)
        self._in_a_row = records + (self._in_a_row if said == self._said else 0)
        self._said = said
        if self._in_a_row >= SAME_IN_A_ROW:
            places = ", ".join(sorted(error.fields))
            where = " " + gettext("(at {places} of each)", places=places) if error.fields else ""
            text = gettext(
                "{reason}{where}; all {records} records asked so far, the others are not asked",
                reason=error.messages[0], where=where, records=self._in_a_row,
            )  # fmt: skip
            self.everywhere = OperationFailed(error.operation, [text])
            raise self.everywhere from error

    def check(self) -> None:
        """Ask for no body once every record is known to fail.

        Raises:
            OperationFailed: That.
        """
        if self.everywhere:
            raise self.everywhere

    def would_be_all(self, error: ApiError, records: int) -> bool:
        """Whether an answer that names so many records, each with the error of those before, shows that all meet it."""
        if not isinstance(error, OperationFailed) or self.has_given or len(error.roots) < records:
            return False
        is_same = frozenset(error.fields or error.messages) == self._said
        return is_same and self._in_a_row + records >= SAME_IN_A_ROW
