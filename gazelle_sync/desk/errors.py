"""What the desk refuses: each is an answer with a status, and a sentence on the page."""

from __future__ import annotations

from http import HTTPStatus

from gazelle_sync.errors import CommandRefused


class Refused(CommandRefused):
    """A request that the desk does not follow; nothing was changed.

    Attributes:
        status: Of the answer.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotFound(Refused):
    """There is no such page or record."""

    status = HTTPStatus.NOT_FOUND


class Forbidden(Refused):
    """The request is not one of our own pages', or the person may not do it."""

    status = HTTPStatus.FORBIDDEN


class TooLarge(Refused):
    """More was sent than any form holds."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyTries(Refused):
    """Too many failed logins."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class ChangedMeanwhile(Refused):
    """Somebody else changed it since the page was opened: nothing is overwritten."""

    status = HTTPStatus.CONFLICT


class AlreadySent(Refused):
    """The same form came before: it is done once.

    Attributes:
        goes_to: The page that shows what came of it.
    """

    status = HTTPStatus.CONFLICT

    def __init__(self, message: str, goes_to: str) -> None:
        super().__init__(message)
        self.goes_to = goes_to


class OutcomeUnknown(Refused):
    """The same form came before, and the database went away before it said whether it was done.

    Attributes:
        goes_to: The page that shows whether it was.
    """

    status = HTTPStatus.CONFLICT

    def __init__(self, message: str, goes_to: str) -> None:
        super().__init__(message)
        self.goes_to = goes_to


class SignedOut(Refused):
    """Somebody sent what they wrote after their session had ended."""

    status = HTTPStatus.FORBIDDEN
