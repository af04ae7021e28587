"""The one exception tree. Library code raises from it; only the command line prints and exits.

    GazelleSyncError
    ├── SettingsError             an environment variable is missing or makes no sense
    │   ├── CredentialsUnusable   there are no credentials, or the token file cannot be read or rewritten
    │   └── WrongAccount          the database holds another account than the one that is set
    ├── ApiError                  Gazelle did not do what was asked
    │   ├── CredentialsRefused    401, `UNAUTHENTICATED`, or a 403 that a plain read of the account gets too
    │   ├── ApiUnreachable        no answer: refused, reset, timed out                     (retried)
    │   ├── ApiUnavailable        429 or 5xx, still so after the retries                   (retried)
    │   ├── AnswerUnreadable      not JSON, cut short, or not the shape of GraphQL         (retried)
    │   ├── RequestRefused        another 4xx: the same request will be refused again
    │   │   ├── RequestStopped    nothing was sent: the run was being stopped
    │   │   └── WriteRefused      `mutationErrors`, or a 4xx over REST: Gazelle says what is wrong with the data
    │   └── OperationFailed       HTTP 200 with GraphQL `errors`                           (retried)
    ├── DatabaseError             PostgreSQL is unreachable, full, or refused a statement
    │   ├── DatabaseFull          its disk or memory has no room left
    │   └── RoleRefused           the role that is set may not do what was asked
    │       └── RowsHidden        row-level security hides rows of our tables from this role
    ├── DagsterDatabaseError      Dagster's own database is unreachable or refuses
    ├── AnotherPullRunning        the advisory lock is held
    ├── AnotherPushRunning        the push's own lock is held
    ├── AnotherScanRunning        the lock of the scan of notes is held
    ├── StagingIncomplete         a replay found that a staging table has lost rows
    ├── EntityFailed              one entity could not be pulled; the others went on
    │   ├── MassDeletion          more records vanished than a shop deletes in a day
    │   └── MassEmptying          tags vanished from more records than a person would empty
    │       └── MassVanishing     nested rows (contacts, items, …) vanished from too many records
    ├── RunStopped                a run was stopped before it was done
    ├── UnexpectedError           an error that is not expected: a bug in gazelle_sync
    └── ReconcileError            a body cannot be turned into rows (in `gazelle_sync.reconcile.rows`)

A message says what happened, to which record, and what to do. It may quote Gazelle or PostgreSQL, and so contain
clients' data. Alerts, which leave the shop, use the error's cause instead: a code and at most one number. Both are
stored wherever the message is.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from gazelle_sync.i18n import gettext


class Cause(NamedTuple):
    """A kind of failure.

    Attributes:
        code: Key of `incidents.causes.CAUSES`; `unknown` also for errors stored before causes existed.
        number: A count of records or an HTTP status that belongs to the cause, or None.
    """

    code: str = "unknown"
    number: int | None = None


UNKNOWN = Cause()


class GazelleSyncError(Exception):
    """Root of every error that the library raises.

    Args:
        message: What happened, and what to do.
        cause: A cause to use instead of the class's own, where the error reports another one.
        number: The number for the class's own cause.

    Attributes:
        cause: Code of the kind of error; a subclass may have a more precise one.
        number: The count of records or the HTTP status that belongs to it, or None.
    """

    cause: str = "unknown"
    number: int | None = None

    def __init__(self, message: str = "", *, cause: Cause | None = None, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number
        if cause is not None:
            self.cause, self.number = cause


class SettingsError(GazelleSyncError):
    """An environment variable is missing or makes no sense."""

    cause = "settings"


class CommandRefused(GazelleSyncError):
    """A person asked a command for something that makes no sense; nothing was changed."""

    cause = "command"


class CredentialsUnusable(SettingsError):
    """There are no credentials for Gazelle, or the token file cannot be read or rewritten."""

    cause = "credentials"


class WrongAccount(SettingsError):
    """The database holds another account than the one that is set."""

    cause = "wrong_account"


class ApiError(GazelleSyncError):
    """Gazelle did not do what was asked.

    Attributes:
        operation: The GraphQL operation that was sent, or the path.
        retryable: Whether the same request may succeed a moment later.
    """

    retryable = False

    def __init__(self, operation: str, message: str) -> None:
        super().__init__(f"{operation}: {message}")
        self.operation = operation


class CredentialsRefused(ApiError):
    """HTTP 401 or GraphQL's `UNAUTHENTICATED`, also after a token refresh; or a 403 that a plain read gets as well.

    Attributes:
        is_about_token: Whether another token may help: not after a 403, where the API knows the user and refuses.
    """

    cause = "credentials"

    def __init__(self, operation: str, message: str, *, is_about_token: bool = False) -> None:
        super().__init__(operation, message)
        self.is_about_token = is_about_token


class ApiUnreachable(ApiError):
    """No answer: connection refused or reset, name not found, timed out.

    Attributes:
        is_timeout: Whether a connection was there and the answer did not come in time.
        was_sent: Whether the request may have reached Gazelle; false where no connection came about.
    """

    cause = "unreachable"
    retryable = True

    def __init__(self, operation: str, message: str, *, is_timeout: bool = False, was_sent: bool = True) -> None:
        super().__init__(operation, message)
        self.is_timeout = is_timeout
        self.was_sent = was_sent


class ApiUnavailable(ApiError):
    """HTTP 429 or 5xx.

    Attributes:
        status: The HTTP status.
        retry_after_s: Seconds that the answer asked to wait, or None.
    """

    cause = "http"
    retryable = True

    def __init__(self, operation: str, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(operation, message)
        self.status = self.number = status
        self.retry_after_s = retry_after_s


class AnswerUnreadable(ApiError):
    """The answer is not JSON (a proxy's HTML page, say), was cut short, or lacks what GraphQL promises."""

    cause = "unreadable"
    retryable = True


class RequestRefused(ApiError):
    """HTTP 4xx other than 401 and 429 (or a redirect): the same request will be refused again.

    Attributes:
        status: The HTTP status.
    """

    cause = "http"

    def __init__(self, operation: str, message: str, *, status: int) -> None:
        super().__init__(operation, message)
        self.status = status
        self.number = status or None

    @property
    def is_forbidden(self) -> bool:
        """Whether it is a 403 for one record or text, while the credentials are accepted."""
        return self.status == HTTPStatus.FORBIDDEN


class RequestStopped(RequestRefused):
    """The run was being stopped, so the request was not sent."""

    cause = "stopped"

    def __init__(self, operation: str) -> None:
        super().__init__(operation, gettext("the run was stopped"), status=0)


class WriteRefused(RequestRefused):
    """Gazelle rejected the data of a write: `mutationErrors` with HTTP 200, or a 4xx over REST.

    Attributes:
        reason: What it said.
        is_missing: Whether it said that the record is not there.
    """

    def __init__(self, operation: str, reason: str, *, status: int = 200, is_missing: bool = False) -> None:
        super().__init__(operation, reason, status=status)
        self.reason = reason
        self.is_missing = is_missing


class OperationFailed(ApiError):
    """HTTP 200 with GraphQL `errors`. Partial data beside errors is not used as a record.

    Attributes:
        not_found: Root fields for which the API said "not found", which is an answer rather than a failure.
        data: The partial data beside the errors.
        has_data: Whether the answer had a `data` key; without one, nothing of the document ran.
        bad_nodes: Positions in `nodes` that the errors name, if every error names one; else empty.
        roots: Root fields that the errors name.
        fields: Fields of records that the errors name (`allContacts.nodes.title`), where every error names one.
        messages: What the errors say.
    """

    cause = "answered_errors"
    retryable = True

    def __init__(
        self,
        operation: str,
        messages: list[str],
        *,
        not_found: set[str] | None = None,
        data: Mapping[str, Any] | None = None,
        has_data: bool = True,
        bad_nodes: set[int] | None = None,
        roots: set[str] | None = None,
        fields: set[str] | None = None,
    ) -> None:
        shown = "; ".join(messages[:3])
        if len(messages) > 3:
            shown += " " + gettext("(and {count} more)", count=len(messages) - 3)
        super().__init__(operation, gettext("Gazelle answered with errors: {errors}", errors=shown))
        self.not_found = not_found or set()
        self.data = data or {}
        self.has_data = has_data
        self.bad_nodes = bad_nodes or set()
        self.roots = roots or set()
        self.fields = fields or set()
        self.messages = messages


class DatabaseError(GazelleSyncError):
    """PostgreSQL is unreachable, full, or refused a statement."""

    cause = "database"


class DatabaseFull(DatabaseError):
    """PostgreSQL's disk or memory has no room left."""

    cause = "disk"


class RoleRefused(DatabaseError):
    """PostgreSQL does not let the role that is set do what was asked."""

    cause = "rights"


class RowsHidden(RoleRefused):
    """Row-level security hides rows of our tables from this role, so existing records would seem to be missing.

    Args:
        tables: Their names.
        role: The role, as SQL writes it.
    """

    def __init__(self, tables: Sequence[str], role: str) -> None:
        super().__init__(
            gettext(
                "Row-level security hides rows of {tables} from the role {role}: nothing was done, since what cannot "
                "be seen would count as not being there. Run the sync as the owner of these tables, or let an "
                "administrator say: ALTER ROLE {role} BYPASSRLS. A policy is not enough (COPY FROM refuses a table "
                "whose row-level security holds for the role), and membership in another role does not bring "
                "BYPASSRLS along.",
                tables=", ".join(tables),
                role=role,
            )
        )
        self.tables = tuple(tables)


class DagsterDatabaseError(GazelleSyncError):
    """Dagster's own database is unreachable or refuses."""

    cause = "dagster_database"


class AnotherPullRunning(GazelleSyncError):
    """The advisory lock is held: one pull at a time."""

    cause = "another_run"


class AnotherPushRunning(GazelleSyncError):
    """The push's lock is held: one push at a time."""

    cause = "another_run"


class AnotherScanRunning(GazelleSyncError):
    """The lock of the scan of notes is held: one scan at a time."""

    cause = "another_run"


class StagingIncomplete(GazelleSyncError):
    """Too many living rows have no version in staging, so nothing was replayed."""

    cause = "staging"


class EntityFailed(GazelleSyncError):
    """One entity could not be pulled; the others went on. Its own watermark has not moved."""


class MassDeletion(EntityFailed):
    """More records vanished in one run than a shop deletes: no record of that entity was marked deleted.

    Attributes:
        absent: The records that are no longer listed.
    """

    cause = "mass_deletion"

    def __init__(self, message: str, absent: frozenset[str] = frozenset(), *, number: int | None = None) -> None:
        super().__init__(message, number=number)
        self.absent = absent


class MassEmptying(EntityFailed):
    """Gazelle's answer empties the tags of more records than a person would: those bodies were set aside."""

    cause = "mass_emptying"


class MassVanishing(MassEmptying):
    """More contacts, items or other nested rows are missing than a person would remove: those bodies were set aside."""

    cause = "mass_vanishing"


class RunStopped(GazelleSyncError):
    """A run was stopped before it was done."""

    cause = "stopped"


class UnexpectedError(GazelleSyncError):
    """An error that is not expected, as a sentence that may be shown; details are in the log file."""

    cause = "fault"


def cause_of(error: BaseException) -> Cause:
    """The cause of any error: `stopped` for an interrupt, and a bug in gazelle_sync where the error is not ours."""
    if isinstance(error, GazelleSyncError):
        return Cause(error.cause, error.number)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Cause("disk")
    if isinstance(error, MemoryError):
        return Cause("memory_limit")
    return Cause("fault" if isinstance(error, Exception) else "stopped")


def first_line(error: BaseException) -> str:
    """The first line of an error's message (later ones may quote a client's row), or its class where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
