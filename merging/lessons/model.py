"""What a lesson is: texts, experiments, named figures, claims on them. Frozen, checked by read."""

from dataclasses import dataclass, field
from typing import Literal

from merging.recipe import Recipe

SCORES = ("held_in", "held_out", "all")
CONFLICT = ("share", "chance")
KINDS = ("score", "conflict")
OUTCOMES = ("held", "not", "close")
RELATIONS = ("above", "below", "near")
OPERATIONS = (
    "at", "best", "best_place", "lowest", "mean", "spread", "difference", "gain_kept",
)  # fmt: skip

Kind = Literal["score", "conflict"]
Outcome = Literal["held", "not", "close"]
Relation = Literal["above", "below", "near"]
Unit = Literal["share", "points", "number"]


@dataclass(frozen=True, slots=True)
class Series:
    """A small experiment: one recipe with one thing varied.

    Attributes:
        name: In its lesson.
        label: Word shown to people.
        kind: ``score``, merged and scored on the tuning half; or ``conflict``, counted.
        points: Place on the axis and recipe of each, in order.
    """

    name: str
    label: str
    kind: Kind
    points: tuple[tuple[float, Recipe], ...]

    def place(self, at: float) -> int:
        """Return which point stands at a place.

        Raises:
            ValueError: None does.
        """
        return [x for x, _ in self.points].index(at)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure at all points of a series.

    Attributes:
        series: Its name.
        part: Of a score: the mean share of the own experts' accuracy over the tasks whose experts
            are merged (``held_in``), over the other tasks (``held_out``) or over ``all``. Of a
            conflict: the ``share`` of weights kept by two or more experts where both signs meet,
            or what coin tosses would give there (``chance``).
        label: Word shown to people; "" for the series' own.
    """

    series: str
    part: str
    label: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What equal figures share."""
        return self.series, self.part


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure with a name.

    Attributes:
        name: In the texts, as ``{name}``.
        operation: ``at`` a place of a line; ``best``, of the point that is highest on the tuning
            half, told on the reporting half; ``best_place``, where on the axis that is; ``lowest``,
            ``mean`` and ``spread`` (highest minus lowest) of a line; the ``difference`` of two
            quantities; ``gain_kept``, (of - base) / (1 - base), of two quantities.
        label: Words shown beside it.
        line: Of those that have one.
        at: Place on its axis.
        of: Names of the two quantities.
        unit: ``share`` is told in per cent, ``points`` in points of per cent.
    """

    name: str
    operation: str
    label: str
    line: Line | None = None
    at: float = 0.0
    of: tuple[str, ...] = ()
    unit: Unit = "share"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the lesson says happens, and what to say when it does, when not, and when it is close.

    Attributes:
        name: In the choices.
        left, right: Names of quantities; ``right`` may be a number.
        relation: ``above`` and ``below`` beyond noise; ``near``: not farther than ``within``.
        expect: What was found on the committed sets, as a test holds.
        texts: By outcome.
    """

    name: str
    left: str
    relation: Relation
    right: str | float
    expect: Outcome
    texts: dict[str, str] = field(hash=False)
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must be so for a choice to be right: a claim's outcome, or a range.

    Attributes:
        claim, outcome: What became of it; "" where it is a range.
        quantity: Its value is at least ``low`` and below ``high``.
    """

    claim: str = ""
    outcome: str = ""
    quantity: str = ""
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer to predict; right where all its conditions are so."""

    text: str
    when: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn of a lesson: the words of both axes, and lines."""

    x: str
    y: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a lesson's claim comes from.

    Attributes:
        arxiv: Id of the paper.
        citation: Authors and year.
        text: What it says, and how this lesson differs.
    """

    arxiv: str
    citation: str
    text: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson.

    Attributes:
        id: Word of its file.
        number: From 1, also in links.
        title: What it is about.
        minutes: It takes.
        page: Query of a link with the settings that it begins with.
        question: What is asked.
        choices: Two to four answers.
        todo: What will be run, in words.
        series, chart, quantities, claims: What is measured and how it is told.
        why: The reason.
        source: Of the claim.
        explore: What to do with the controls next.
        after: Id of the next lesson, or "".
    """

    id: str
    number: int
    title: str
    minutes: int
    page: str
    question: str
    choices: tuple[Choice, ...]
    todo: str
    series: tuple[Series, ...]
    chart: Chart
    quantities: tuple[Quantity, ...]
    claims: tuple[Claim, ...]
    why: str
    source: Source
    explore: str
    after: str = ""

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets that it merges, the first one first."""
        return tuple(dict.fromkeys(r.set or "" for s in self.series for _, r in s.points))

    @property
    def total(self) -> int:
        """Number of points."""
        return sum(len(s.points) for s in self.series)

    def of_series(self, name: str) -> Series:
        """Return a series by its name.

        Raises:
            StopIteration: There is none.
        """
        return next(s for s in self.series if s.name == name)
