"""What charts and lists show, as frozen values: the contract between numbers and pictures."""

from dataclasses import dataclass

from merging.evaluation.intervals import Estimate

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

    ``units`` are "share" (of the own expert) or "accuracy" (as it is).
    """

    rows: tuple[ScoreRow, ...]
    mean: ScoreRow
    sentence: str
    stale: bool = False
    pinned_name: str = ""
    units: str = "share"


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One layer x module cell. ``value`` is None where too few coordinates count."""

    value: float | None
    chance: float | None
    counted: int
    text: str


@dataclass(frozen=True, slots=True)
class HeatmapView:
    """The conflict heatmap: rows from the input up, a scale that does not move while dragging."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[HeatCell | None, ...], ...]
    low: float
    high: float
    sentence: str


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
    """One line of the run list."""

    key: str
    name: str
    settings: str
    mean: Estimate | None
    worst: str
    when: str
    pinned: bool
    current: bool
