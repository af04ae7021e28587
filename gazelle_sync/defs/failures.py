"""Turns an error of ours into a Dagster failure with its cause, and reads the cause back.

The message of a failed step is for its page in the UI. Alerts use the cause, which is in the failure's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from gazelle_sync.errors import UNKNOWN, Cause, GazelleSyncError
from gazelle_sync.runtime.logs import masked

CODE, NUMBER = "cause", "cause_number"
INTERRUPTED = "DagsterExecutionInterruptedError"
NOT_STOPPED = {"RUN_EXCEPTION", "JOB_INITIALIZATION_FAILURE", "STEP_FAILURE"}
"""Dagster's reasons for which a run fails without having been stopped, and without its process having been killed."""


def failure_of(error: GazelleSyncError) -> dg.Failure:
    """The failure of a step, without secrets; Dagster does not try the step again."""
    metadata = {CODE: error.cause} | ({NUMBER: error.number} if error.number is not None else {})
    return dg.Failure(description=masked(str(error)), metadata=metadata, allow_retries=False)


def together(failures: Sequence[dg.Failure]) -> dg.Failure:
    """One failure of a step in which several things failed: it says each reason once; its cause is the first one's."""
    if len(failures) == 1:
        return failures[0]
    said = dict.fromkeys(str(failure.description) for failure in failures)
    return dg.Failure(description="\n".join(said), metadata=failures[0].metadata, allow_retries=False)


def cause_of_event(event: dg.DagsterEvent) -> Cause:
    """The cause of a failed step, or of a run that failed without one."""
    if not event.is_step_failure:
        failed = event.event_specific_data
        reason = getattr(getattr(failed, "failure_reason", None), "name", "")
        return UNKNOWN if reason in NOT_STOPPED else Cause("stopped")
    data = event.step_failure_data
    if data.user_failure_data is None:
        return Cause("stopped") if data.error and data.error.cls_name == INTERRUPTED else UNKNOWN
    found = {key: value.value for key, value in data.user_failure_data.metadata.items()}
    number = found.get(NUMBER)
    return Cause(str(found.get(CODE, UNKNOWN.code)), number if isinstance(number, int) else None)
