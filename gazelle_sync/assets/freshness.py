"""How old what people read may be: a tick comes every 15 minutes."""

import dagster as dg

from gazelle_sync.status import LATE, LOST

READ_BY_PEOPLE = dg.FreshnessPolicy.time_window(fail_window=LOST, warn_window=LATE)
