"""Scores with their noise: Wilson intervals, and the paired bootstrap over the same items."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Samples = NDArray[np.float64]

Z95 = 1.959963984540054
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


Pair = tuple[Estimate, Estimate]


def wilson(correct: int, total: int) -> Estimate:
    """Return an accuracy with its Wilson 95 % interval.

    Args:
        correct: Items answered correctly, from 0 to ``total``.
        total: Items, at least 1.

    Raises:
        ValueError: The counts make no share.

    Source:
        Wilson 1927, score interval without continuity correction.
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"{correct} of {total} is no share")
    share = correct / total
    shrink = 1 + Z95**2 / total
    centre = (share + Z95**2 / (2 * total)) / shrink
    half = Z95 / shrink * math.sqrt(share * (1 - share) / total + (Z95 / (2 * total)) ** 2)
    # Rounding must not leave a share of 0 or 1 outside its own interval.
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(share, min(share, low), max(share, high))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same tasks, as shares of each task's own expert.

    Attributes:
        tasks: Per task the normalised score of the first run, and of it minus the second.
        mean: Mean over tasks of the normalised score, and of the difference.
    """

    tasks: Mapping[str, tuple[Estimate, Estimate]]
    mean: tuple[Estimate, Estimate]


def normalised(
    run: Mapping[str, Bits], own: Mapping[str, Bits], seed: int = 0
) -> tuple[dict[str, Estimate], Estimate]:
    """Return score / own expert's score per task and its mean, with bootstrap intervals.

    Args:
        run: Per task which items the model answered correctly, shape (items,).
        own: The same of each task's own expert, on the same items.
        seed: For the resampling.

    Returns:
        Estimates per task, and the estimate of their mean.
    """
    found = compare(run, run, own, seed)
    return {task: pair[0] for task, pair in found.tasks.items()}, found.mean[0]


def compare(
    first: Mapping[str, Bits], second: Mapping[str, Bits], own: Mapping[str, Bits], seed: int = 0
) -> Comparison:
    """Compare two runs by a paired bootstrap: every draw takes the same items for all models.

    What was compared before is remembered: a slider comes back to runs that are scored already.

    Args:
        first, second: Per task which items each run answered correctly, shape (items,).
        own: The same of each task's own expert.
        seed: For the resampling.

    Returns:
        Percentile intervals over 2,000 draws, around the values on all items.

    Source:
        Efron & Tibshirani 1993, chapter 13 (percentile intervals).
    """
    names = sorted(first)
    found, mean = _compared(*(_packed(run, names) for run in (first, second, own)), seed)
    return Comparison(dict(zip(names, found, strict=True)), mean)


def _packed(run: Mapping[str, Bits], names: list[str]) -> tuple[bytes, ...]:
    return tuple(np.asarray(run[name], bool).tobytes() for name in names)


@lru_cache(maxsize=1024)
def _compared(
    first: tuple[bytes, ...], second: tuple[bytes, ...], own: tuple[bytes, ...], seed: int
) -> tuple[tuple[Pair, ...], Pair]:
    """Each task's score and difference, and their means; runs are bytes of bools by task."""
    tasks, draws_of, values = [], [], []
    for index, packed in enumerate(zip(first, second, own, strict=True)):
        a, b, expert = (np.frombuffer(bits, bool) for bits in packed)
        value, draws = _ratios(a, b, expert, (seed, index))
        tasks.append(_pair(value, draws))
        draws_of.append(draws)
        values.append(value)
    return tuple(tasks), _pair(np.mean(values, axis=0), np.mean(draws_of, axis=0))


def _ratios(a: Bits, b: Bits, own: Bits, seed: tuple[int, int]) -> tuple[Samples, Samples]:
    """Normalised scores of both runs: on all items, shape (2,), and per draw, (2, draws).

    Resampling items is drawing how often each of the eight patterns of right and wrong occurs.
    """
    count = len(own)
    pattern = a.astype(np.int64) * 4 + b.astype(np.int64) * 2 + own.astype(np.int64)
    seen = np.bincount(pattern, minlength=8)
    drawn = np.random.default_rng(seed).multinomial(count, seen / count, size=DRAWS)
    return _shares(seen[None, :])[:, 0], _shares(drawn)


def _shares(counts: NDArray[np.int64]) -> Samples:
    own = np.maximum(counts[:, 1::2].sum(1), 1)
    return np.stack([counts[:, 4:].sum(1) / own, counts[:, [2, 3, 6, 7]].sum(1) / own])


def _pair(value: Samples, draws: Samples) -> Pair:
    gap = value[0] - value[1]
    return _estimate(value[0], draws[0]), _estimate(gap, draws[0] - draws[1])


def _estimate(value: float, draws: Samples) -> Estimate:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
