"""Which requests are sent again: reads after temporary failures, writes only if they certainly were not applied.

A 429 was not applied, so the request is sent again, a write too. Its `Retry-After` holds back every request of the
process meanwhile (`Throttle.hold`); one of more than two minutes is not waited for: the request fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import httpx

from gazelle_sync.errors import AnswerUnreadable, ApiError, ApiUnavailable, ApiUnreachable, OperationFailed
from gazelle_sync.runtime.logs import get_logger

LONGEST_RETRY_AFTER_S = 120.0
REFUSALS_BELIEVED = 2

Wait = Callable[[Exception], bool | float]
"""Stamina's hook: whether to try again, or after how many seconds."""

log = get_logger("gazelle_sync.gazelle")


def may_have_been_taken(error: ApiError) -> bool:
    """Whether a write that failed with this error may have been applied at Gazelle all the same."""
    if isinstance(error, ApiUnreachable):
        return error.was_sent
    if isinstance(error, ApiUnavailable):
        return error.status != httpx.codes.TOO_MANY_REQUESTS
    return isinstance(error, AnswerUnreadable) or (isinstance(error, OperationFailed) and error.has_data)


def wait_before_retry(error: Exception) -> bool | float:
    """The hook for reads: temporary failures are retried."""
    if not isinstance(error, ApiError) or not error.retryable:
        return False
    log.info("request failed", operation=error.operation, reason=str(error))
    if isinstance(error, ApiUnavailable) and error.retry_after_s is not None:
        return error.retry_after_s if error.retry_after_s <= LONGEST_RETRY_AFTER_S else False
    return True


def wait_before_next_write(error: Exception) -> bool | float:
    """The hook for writes: retried only if the write certainly was not applied; not where the document was refused."""
    if isinstance(error, OperationFailed) or (isinstance(error, ApiError) and may_have_been_taken(error)):
        return False
    return wait_before_retry(error)


def wait_unless_refused_twice() -> Wait:
    """The hook for a request that can be made smaller: GraphQL errors are retried once only."""
    errors = itertools.count(1)

    def wait(error: Exception) -> bool | float:
        if isinstance(error, OperationFailed) and next(errors) == REFUSALS_BELIEVED:
            return False
        return wait_before_retry(error)

    return wait
