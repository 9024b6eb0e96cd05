"""Straight paths between two models, and the barrier on them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from merging.evaluation import Estimate
from merging.evaluation.intervals import DRAWS
from merging.evaluation.judged import Judged
from merging.jobs import Report
from merging.search.asked import fitting, seed_of, threads_of, whole_number
from merging.search.flat import length
from merging.search.grid import coarse_to_fine
from merging.search.ground import Ground
from merging.search.heights import Height, Values, stacked
from merging.search.judging import judged
from merging.search.pace import Ended, ended_by
from merging.search.points import Answers

STEPS, MOST_STEPS = 21, 1001


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A straight path at one moment.

    Attributes:
        ends: Names of the two models.
        distance: Between them, in lengths of weight changes.
        count: Steps of the path, both ends included.
        steps: What was judged, by step: 0 is the first end.
        own: What each task's own expert answers.
        ended: "" while it runs; ``complete`` or ``cancelled``.
        spent: Seconds it has taken.
    """

    ends: tuple[str, str]
    distance: float
    count: int = STEPS
    steps: Mapping[int, Judged] = field(default_factory=dict)
    own: Answers = field(default_factory=dict)
    ended: Ended = ""
    spent: float = 0.0

    def way(self, step: int) -> float:
        """Return the share of the way at a step, in [0, 1]."""
        return step / (self.count - 1)


@dataclass(frozen=True, slots=True)
class Barrier:
    """The largest loss against the straight line between the ends.

    Attributes:
        at: Share of the way where it is; 0 where no place is below the line.
        size: How much worse than the line the path is there, at least 0; in units of the height.
        noise: Half the width of a 95 % interval that holds for all steps at once.
    """

    at: float
    size: float
    noise: float

    @property
    def interval(self) -> Estimate:
        """The size with its interval, not below 0."""
        return Estimate(self.size, max(0.0, self.size - self.noise), self.size + self.noise)

    @property
    def clear(self) -> bool:
        """Whether it is larger than noise."""
        return self.size > self.noise


def straight_path(
    ground: Ground,
    ends: tuple[str, str],
    models: tuple[Tensor, Tensor],
    report: Report,
    *,
    count: int = STEPS,
    on_point: Callable[[Path], None] = lambda found: None,
    clock: Callable[[], float] = time.monotonic,
    threads: int | None = None,
) -> Path:
    """Judge the models (1 - t) * first + t * second, coarse to fine.

    Args:
        ground: Judges them.
        ends: Their names.
        models: Their weights, shape (weights,), finite.
        report: Called with the share done; when it raises ``Cancelled`` what is done is returned.
        count: Steps, from 3 to 1,001.
        on_point: Called with the path after each step.
        clock: Seconds; a test may bring its own.
        threads: That judge at once.

    Raises:
        ParameterError: A number is not whole, or out of range.
        CompatibilityError: The models differ in length, or hold what is no finite number.
        MergeError: A step cannot be judged.
    """
    count, hands = whole_number("count", count, 3, MOST_STEPS), threads_of(threads)
    fitting(ends, models)
    begin = clock()
    state = Path(ends, length(models[1] - models[0]), count)
    order = [step for (step,) in coarse_to_fine((count,))]

    def at(way: float, told: Report) -> Judged:
        return ground.judge(torch.lerp(models[0], models[1], way), told)

    def measured(own: Answers) -> None:
        nonlocal state
        state = replace(state, own=own)

    def work() -> None:
        nonlocal state
        pieces = [partial(at, state.way(step)) for step in order]
        with closing(judged(ground, ground.tasks(), pieces, report, hands, measured)) as found:
            for place, model in found:
                steps = {**state.steps, order[place]: model}
                state = replace(state, steps=steps, spent=clock() - begin)
                on_point(state)

    ended = ended_by(work)
    state = replace(state, ended=ended, spent=clock() - begin)
    on_point(state)
    return state


def barrier(path: Path, height: Height, seed: int = 0) -> Barrier | None:
    """Return the barrier of a path, or None before both ends and a step between them are judged.

    At each step the straight line between the heights of the ends is compared with the path; the
    barrier is the largest loss. Items are drawn again, the same ones for all steps, 2,000 times:
    the noise is the size that the largest error of all steps exceeds in one of twenty draws, so
    that picking the worst step is allowed for.

    Args:
        path: Whole or in part.
        height: What is compared; infinite losses give an infinite barrier.
        seed: For the resampling, at least 0.

    Raises:
        ParameterError: The seed is no whole number of at least 0.

    Source:
        Frankle et al. 2020, arXiv:1912.05671 (error barrier), and Ainsworth et al. 2023,
        arXiv:2209.04836 (barrier of a merge), which measure against the mean of both ends. Against
        the straight line instead, as Entezari et al. 2022, arXiv:2110.06296: ends of different
        height have no barrier by that alone.
    """
    seed, known = seed_of(seed), sorted(path.steps)
    if len(known) < 3 or known[0] != 0 or known[-1] != path.count - 1:
        return None
    ways = np.array([path.way(step) for step in known])
    tasks = stacked(height, [path.steps[step] for step in known])
    losses = [_below(rows, ways, height.sign) for rows in tasks]
    found = np.mean([rows.mean(1) for rows in losses], axis=0)
    worst = int(np.argmax(found))
    if not np.isfinite(found).all():
        return Barrier(float(ways[worst]), float("inf"), 0.0)
    drawn = np.mean([_drawn(r, (seed, i)) for i, r in enumerate(losses)], axis=0)
    noise = np.quantile(np.abs(drawn - found).max(1), 0.95)
    size = float(found[worst])
    return Barrier(float(ways[worst]) if size > 0 else 0.0, max(0.0, size), float(noise))


def _below(rows: Values, ways: Values, sign: int) -> Values:
    """How much worse each item does at each step than on the line, shape (steps, items)."""
    line = (1 - ways[:, None]) * rows[0] + ways[:, None] * rows[-1]
    with np.errstate(invalid="ignore"):
        lost: Values = sign * (line - rows)
    return np.where(np.isnan(lost), np.inf, lost)


def _drawn(rows: Values, seed: Sequence[int]) -> Values:
    """Means over items drawn again, shape (draws, steps)."""
    items = rows.shape[1]
    counts = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), size=DRAWS)
    found: Values = counts @ rows.T / items
    return found
