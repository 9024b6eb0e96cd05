"""What the heatmap says in words: for each part of conflict, of each recipe and of both. Pure."""

from collections.abc import Mapping

import numpy as np

from merging.analysis.figures import Sums
from ui.views.heatmap_grid import HeatmapGrid
from ui.views.models import HeatSide
from ui.views.sentences import percent, points

PARTS = ("contested", "disjoint", "agree")
NAMES = {
    "contested": "Where two or more experts meet, signs clash",
    "disjoint": "Only one expert's change survives",
    "agree": "Two or more experts keep a change of one sign",
}
OF_ALL = {"contested": "the weights", "disjoint": "all weights", "agree": "all weights"}
SMALL = 0.0005


def sentences(
    grid: HeatmapGrid,
    current: HeatSide,
    pinned: HeatSide | None,
    pinned_name: str = "",
) -> Mapping[str, Mapping[str, str]]:
    """Return a sentence for each part and side, computed from the numbers.

    How often signs clash now is the section's verdict: what is contested in the current recipe
    adds to that only where most and least of it is, or "" where nothing can be said.

    Args:
        grid: Names of the cells.
        current, pinned: Figures of the two recipes; without a pinned one only "current" is said.
        pinned_name: Name of the pinned run.
    """
    who = f"{pinned_name} (pinned)" if pinned_name else "the pinned recipe"
    found = {}
    for part in PARTS:
        cells = _extremes(grid, current.part(part).known)
        said = {"current": cells if part == "contested" else _state(part, grid, current)}
        if pinned is not None:
            text = _state(part, grid, pinned)
            said["pinned"] = f"In {who}: {text[0].lower()}{text[1:]}"
            said["difference"] = _difference(part, grid, current, pinned, who)
        found[part] = said
    return found


def _state(part: str, grid: HeatmapGrid, side: HeatSide) -> str:
    value = side.part(part).known
    whole = float(value[-1])
    if np.isnan(whole):
        few = "are kept by two or more experts" if part == "contested" else "were looked at"
        return f"Too few weights {few}."
    text = f"{NAMES[part]} at {percent(whole, 1)} of {OF_ALL[part]}"
    if part == "contested":
        text += f"; coin tosses would clash at {percent(float(side.chance[-1]), 1)}"
    return f"{text}. {_extremes(grid, value)}".rstrip()


def _extremes(grid: HeatmapGrid, value: Sums) -> str:
    cells = value[: len(grid.places)]
    if np.isfinite(cells).sum() < 2:
        return ""
    most, least = int(np.nanargmax(cells)), int(np.nanargmin(cells))
    high, low = percent(float(cells[most]), 1), percent(float(cells[least]), 1)
    if high == low:
        return f"The same in every cell: {high}."
    return f"Most in {grid.name(most)} ({high}), least in {grid.name(least)} ({low})."


def _difference(part: str, grid: HeatmapGrid, current: HeatSide, pinned: HeatSide, who: str) -> str:
    now, before = current.part(part).known, pinned.part(part).known
    if np.isnan(now[-1]) or np.isnan(before[-1]):
        return f"There is no difference to tell: too few weights count here or in {who}."
    gaps = (now - before)[: len(grid.places)]
    if not np.nanmax(np.abs(now - before)) >= SMALL:
        return f"{NAMES[part]} as often as in {who}, in every cell."
    text = (
        f"{NAMES[part]} at {percent(float(now[-1]), 1)} of {OF_ALL[part]}, against "
        f"{percent(float(before[-1]), 1)} in {who}: {points(float(now[-1] - before[-1]))}."
    )
    if np.isfinite(gaps).sum() < 2:
        return text
    far = int(np.nanargmax(np.abs(gaps)))
    return f"{text} The largest difference is in {grid.name(far)}: {points(float(gaps[far]))}."
