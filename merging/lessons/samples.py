"""Numbers with their noise: each beside 2,000 draws, the same for all, so that they can be paired.

A draw takes as many items of a task as there are, some twice, others not at all. All models see the
same draws, those of another set too where it is scored on the same images, so a difference of two
samples has the noise of a paired comparison.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from merging.analysis import Figure
from merging.evaluation import Bits, Estimate
from merging.evaluation.intervals import DRAWS

Draws = NDArray[np.float64]
Answers = Mapping[str, Bits]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A number and what it would have been in each draw.

    Attributes:
        value: On all items.
        draws: Shape (2000,); all equal ``value`` where nothing was drawn.
    """

    value: float
    draws: Draws

    @property
    def estimate(self) -> Estimate:
        """The number with its 95 % percentile interval."""
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return Estimate(self.value, float(min(low, self.value)), float(max(high, self.value)))

    def minus(self, other: "Sample") -> "Sample":
        """Return the difference, draw by draw."""
        return Sample(self.value - other.value, self.draws - other.draws)

    def gain_kept(self, base: "Sample") -> "Sample":
        """Return (this - base) / (1 - base), draw by draw.

        Both are shares of the own expert's accuracy, so 1 is all that the expert gained. NaN where
        the base is as good as the expert.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.float64(1 - base.value)
            draws = (self.draws - base.draws) / (1 - base.draws)
            return Sample(float((self.value - base.value) / room), draws)


def exact(value: float) -> Sample:
    """Return a number without noise."""
    return Sample(value, np.full(DRAWS, value))


def counted(figure: Figure) -> Sample:
    """Return a figure of the weights; draws spread over its interval where it is an estimate."""
    spread = np.linspace(figure.low, figure.high, DRAWS)
    return Sample(figure.value, np.full(DRAWS, figure.value) if figure.exact else spread)


def share_of_own(answers: Answers, own: Answers, tasks: Iterable[str]) -> Sample | None:
    """Return the mean over tasks of accuracy divided by the own expert's; None without tasks.

    Args:
        answers, own: Per task which items were answered correctly, shape (items,).
        tasks: Which of them count.

    Source:
        Efron & Tibshirani 1993, chapter 13 (percentile intervals).
    """
    found = [_ratio(task, answers[task], own[task]) for task in sorted(tasks)]
    return mean(found) if found else None


def mean(samples: Sequence[Sample]) -> Sample:
    """Return the mean, draw by draw."""
    return Sample(
        float(np.mean([s.value for s in samples])), np.mean([s.draws for s in samples], axis=0)
    )


def lowest(samples: Sequence[Sample]) -> Sample:
    """Return the lowest, in each draw whichever that is."""
    return Sample(min(s.value for s in samples), np.min([s.draws for s in samples], axis=0))


def spread(samples: Sequence[Sample]) -> Sample:
    """Return the highest minus the lowest, in each draw whichever these are."""
    values = [s.value for s in samples]
    return Sample(max(values) - min(values), np.ptp([s.draws for s in samples], axis=0))


def best_place(places: Sequence[float], samples: Sequence[Sample]) -> Sample:
    """Return the place of the highest, the first of equals, and that of each draw."""
    at = np.array(places)
    of_draws = np.argmax([s.draws for s in samples], axis=0)
    return Sample(float(at[np.argmax([s.value for s in samples])]), at[of_draws])


def _ratio(task: str, answers: Bits, own: Bits) -> Sample:
    weights = _weights(task, len(own))
    right, whole = weights @ answers.astype(np.float32), weights @ own.astype(np.float32)
    value = float(answers.sum()) / max(1, int(own.sum()))
    return Sample(value, right.astype(np.float64) / np.maximum(1.0, whole))


@lru_cache(maxsize=16)
def _weights(task: str, items: int) -> NDArray[np.float32]:
    """How often each draw takes each item, shape (draws, items)."""
    generator = np.random.default_rng(crc32(task.encode()))
    taken = generator.multinomial(items, np.full(items, 1 / items), size=DRAWS)
    return taken.astype(np.float32)
