"""The plots of the report, as SVG inside the page."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from datetime import date
from typing import Any

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Translator

BLUE, RED, GREEN, GREY = "#2f6f9f", "#c0392b", "#3b8f6b", "#6b7280"
SIZE = (6.4, 2.6)
LEAST_TOP = 4
"""An axis of zeros still shows whole numbers."""
OUTLIER = 8
"""A value so many times the next one (a first import) is cut, with its number beside it: else it alone is seen."""


def bars(days: Sequence[date], values: Sequence[float], say: Translator, *, colour: str = BLUE) -> str:
    """One bar per day."""
    figure, axes = _axes()
    axes.bar(range(len(days)), values, color=colour, width=0.72)
    _set_top(axes, [("", colour, values)], say)
    return _svg(figure, axes, days)


def lines(days: Sequence[date], series: Sequence[tuple[str, str, Sequence[float | None]]], say: Translator) -> str:
    """Lines over days: (label, colour, values); a day without a value leaves a gap."""
    figure, axes = _axes()
    for label, colour, values in series:
        numbers = [float("nan") if value is None else value for value in values]
        axes.plot(range(len(days)), numbers, color=colour, marker="o", markersize=3.5, linewidth=1.8, label=label)
    _set_top(axes, series, say)
    axes.legend(frameon=False, fontsize=9, labelcolor=GREY, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(series))
    return _svg(figure, axes, days)


def top_of(values: Sequence[float | None]) -> float:
    """Where the axis of some values ends: above the highest, or above the next one where that stands out."""
    ordered = sorted({value for value in values if value})
    highest = max([LEAST_TOP, *ordered])
    if len(ordered) < 2 or ordered[-1] <= OUTLIER * max(ordered[-2], LEAST_TOP):
        return highest * 1.12
    return max(ordered[-2], LEAST_TOP) * 1.6


def _set_top(axes: Any, series: Sequence[tuple[str, str, Sequence[float | None]]], say: Translator) -> None:
    top = top_of([value for _, _, values in series for value in values])
    axes.set_ylim(0, top)
    for _, colour, values in series:
        for place, value in enumerate(values):
            if value is not None and value > top:
                said = f"{say.number(round(value))} ↑"
                axes.text(place, top * 0.98, said, ha="left", va="top", fontsize=9, color=colour)


def _axes() -> tuple[Any, Any]:
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError:
        raise CommandRefused(
            gettext("The report needs a library that is not installed: pip install 'gazelle-sync[report]'.")
        ) from None

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#cbd5e1")
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, colors=GREY)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return figure, axes


def _svg(figure: Any, axes: Any, days: Sequence[date]) -> str:
    step = max(1, -(-len(days) // 10))
    places = list(range(0, len(days), step))
    axes.set_xticks(places, [f"{days[place]:%d/%m}" for place in places])
    axes.set_xlim(-0.6, max(len(days) - 0.4, 0.6))
    out = io.StringIO()
    # Without a date, equal data give equal pages.
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
