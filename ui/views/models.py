"""What charts and lists show, as frozen values: the contract between numbers and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from merging.analysis.figures import FEWEST, Counts, Sums
from merging.evaluation.intervals import Estimate
from ui.views.heatmap_grid import HeatmapGrid

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHAPES = ("circle", "triangle-up", "square", "diamond", "cross")


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One task of the dot plot. Scores are shares of the own expert (1 = as good as it).

    ``raw`` holds the plain accuracy of the merged model, ``own`` that of the task's expert,
    ``base_raw`` and ``pinned_raw`` those of the base and the pinned run.
    """

    task: str
    label: str
    letter: str
    held_in: bool
    own: Estimate
    base: Estimate
    merged: Estimate | None
    pinned: Estimate | None
    raw: Estimate | None
    base_raw: Estimate | None = None
    pinned_raw: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ScoresView:
    """The dot plot: rows sorted by loss, then the mean over all tasks.

    ``units`` are "share" (of the own expert) or "accuracy" (as it is); ``order`` has the tasks as
    their set lists them, which is how tables do.
    """

    rows: tuple[ScoreRow, ...]
    mean: ScoreRow
    sentence: str
    stale: bool = False
    pinned_name: str = ""
    units: str = "share"
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class HeatPart:
    """One part of conflict, arrays over the groups of a ``HeatmapGrid``.

    Attributes:
        value, low, high: Shares with their 95 % interval, NaN where nothing counts.
        counted: How many weights each share counts.
    """

    value: Sums
    low: Sums
    high: Sums
    counted: Counts

    @property
    def known(self) -> Sums:
        """The values, NaN where fewer than 50 weights count: those say nothing alone."""
        return np.where(self.counted < FEWEST, np.nan, self.value)


@dataclass(frozen=True, slots=True, eq=False)
class HeatSide:
    """One recipe's conflict: three parts, and where coin tosses would clash (as ``contested``)."""

    contested: HeatPart
    disjoint: HeatPart
    agree: HeatPart
    chance: Sums

    def part(self, name: str) -> HeatPart:
        """Return a part by its name."""
        found: HeatPart = getattr(self, name)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapView:
    """The conflict heatmap, of the recipe at hand and of the pinned one.

    Attributes:
        grid: Rows, columns and the order of all arrays.
        current, pinned: The figures.
        pinned_name: Name of the pinned run, or "".
        sentences: By part ("contested", "disjoint", "agree") and side ("current", "pinned",
            "difference"); only "current" when nothing is pinned.
    """

    grid: HeatmapGrid
    current: HeatSide
    pinned: HeatSide | None
    pinned_name: str
    sentences: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class MagnitudeCurve:
    """One expert's changes: for each size on a log axis the share of changes at least that large.

    ``cut`` is the size below which changes are trimmed (None: nothing is), ``kept`` the share of
    the expert's changes that survives, ``energy`` the share of their squared length.
    """

    expert: str
    label: str
    letter: str
    shape: str
    sizes: tuple[float, ...]
    shares: tuple[float, ...]
    cut: float | None
    kept: float
    energy: float


@dataclass(frozen=True, slots=True)
class MagnitudesView:
    """All experts' curves."""

    curves: tuple[MagnitudeCurve, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class JobView:
    """The job line. ``state``: idle, queued, running, done, failed, cancelled."""

    state: str
    text: str
    fraction: float = 0.0
    position: int = 0


@dataclass(frozen=True, slots=True)
class RunRow:
    """One line of the run list.

    Attributes:
        key: Hash of the recipe.
        name: Of the run.
        settings: Its recipe in one line.
        changed: What it has otherwise than the run it came from, in words, or "".
        mean: Mean share of the own experts' scores.
        worst: The task that lost most, in words.
        when: Date and time in words.
        pinned, current, compared: Whether it is pinned, shown, or among those side by side.
    """

    key: str
    name: str
    settings: str
    changed: str
    mean: Estimate | None
    worst: str
    when: str
    pinned: bool
    current: bool
    compared: bool
