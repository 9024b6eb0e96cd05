"""Figures with intervals in plain Python, one stratum after the other, for tests of the arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054
NOTHING = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Stratum:
    """What was counted of one stratum, and sums over that."""

    counted: float
    population: float
    y: float
    x: float
    yy: float
    xy: float
    xx: float


def plain_share(counted: float, population: float, hits: float, under: float) -> Stratum:
    """A stratum of things that are there or not."""
    return Stratum(counted, population, hits, under, hits, hits, under)


def plain_ratio(
    strata: Sequence[Stratum], slack: float = 0.0, low: float = 0.0, high: float = 1.0
) -> tuple[float, float, float]:
    """Value and ends of the 95 % interval; NaN where nothing is under the condition."""
    total = sum(s.population / max(s.counted, 1) * s.x for s in strata)
    if total <= 0:
        return NOTHING
    value = sum(s.population / max(s.counted, 1) * s.y for s in strata) / total
    value = min(high, max(low, value))
    whole = slack == 0 and all(s.counted == s.population for s in strata)
    if whole or high <= low:
        return value, value, value
    variance = noise = 0.0
    for s in strata:
        left, sampled = 1 - s.counted / max(s.population, 1), max(s.counted, 2)
        off = s.y - value * s.x
        squares = s.yy - 2 * value * s.xy + value**2 * s.xx
        inside = max(squares - off**2 / sampled, 0) / (sampled - 1)
        variance += s.population**2 * left * inside / sampled / total**2
        noise += (s.population / max(s.counted, 1)) ** 2 * s.xx * left
    spread = (value - low) * (high - value)
    if variance > 0 and spread > 0:
        size = spread / variance
    else:
        size = total**2 / noise if noise > 0 else math.inf
    share = (value - low) / (high - low)
    shrink = 1 + Z**2 / size
    centre = (share + Z**2 / (2 * size)) / shrink
    half = Z / shrink * math.sqrt(share * (1 - share) / size + (Z / (2 * size)) ** 2)
    reach = 2 * slack * (value - low)
    bottom, top = (low + end * (high - low) for end in (centre - half, centre + half))
    return value, max(low, min(bottom - reach, value)), min(high, max(top + reach, value))
