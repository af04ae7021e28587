"""Runs eighteen assets that do nothing in this process, on the instance of DAGSTER_HOME: what Dagster alone takes."""

from __future__ import annotations

import dagster as dg

COUNT = 18


def _empty(number: int) -> dg.AssetsDefinition:
    @dg.asset(name=f"empty_{number}")
    def nothing() -> None: ...

    return nothing


def main() -> None:
    """Run them once."""
    with dg.DagsterInstance.get() as instance:
        dg.materialize([_empty(number) for number in range(COUNT)], instance=instance)


if __name__ == "__main__":
    main()
