"""Conflict counted on planes, 64 coordinates to a word: about a millisecond for a model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from merging.sketch.columns import Columns, Planes

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts by part.

    Attributes:
        survivors: Columns kept by 0, 1, ..., n experts that have a say, (parts, experts + 1).
        contested: Columns where kept changes of both signs meet, (parts,).
        kept: Changes that survive, of each expert, (parts, experts).
    """

    survivors: Counts
    contested: Counts
    kept: Counts


def count_planes(
    columns: Columns, kept: list[tuple[Planes, Planes]], votes: tuple[int, ...]
) -> Counted:
    """Count over all columns.

    Args:
        columns: Whose planes these are.
        kept: Of every group which surviving deltas are positive and which negative, each of shape
            (experts, parts, words).
        votes: For each expert the sign with which its changes meet the others': 1, -1, or 0 for
            one without a say.
    """
    found = [
        _count_group(positive, negative, votes, group.width)
        for group, (positive, negative) in zip(columns.groups, kept, strict=True)
    ]
    return Counted(*(np.concatenate([getattr(f, n) for f in found]) for n in Counted.__slots__))


def _count_group(positive: Planes, negative: Planes, votes: tuple[int, ...], width: int) -> Counted:
    experts, parts, words = positive.shape
    up, down = (np.zeros((parts, words), np.uint64) for _ in range(2))
    tallies: list[Planes] = []
    for row, vote in enumerate(votes):
        if vote == 0:
            continue
        ahead, behind = (positive, negative) if vote > 0 else (negative, positive)
        np.bitwise_or(up, ahead[row], out=up)
        np.bitwise_or(down, behind[row], out=down)
        _add(tallies, ahead[row] | behind[row], sum(map(abs, votes[: row + 1])))
    survivors = np.zeros((parts, experts + 1), np.int64)
    for number in range(1, sum(map(abs, votes)) + 1):
        survivors[:, number] = _ones(_equal(tallies, number))
    survivors[:, 0] = width - survivors.sum(1)
    kept = _ones(positive | negative).T
    return Counted(survivors, _ones(up & down), kept)


def _add(tallies: list[Planes], marks: Planes, most: int) -> None:
    """Add marks to a binary counter of planes, lowest digit first, that has to reach ``most``."""
    carry = marks
    for digit, plane in enumerate(tallies):
        tallies[digit], carry = plane ^ carry, plane & carry
    if most.bit_length() > len(tallies):
        tallies.append(carry)


def _equal(tallies: list[Planes], number: int) -> Planes:
    """Marks where the counter stands at a number."""
    digits = [plane if number >> i & 1 else ~plane for i, plane in enumerate(tallies)]
    found = digits[0]
    for plane in digits[1:]:
        found = found & plane
    return found


def _ones(planes: Planes) -> Counts:
    """Count marks over the last axis."""
    found: Counts = np.bitwise_count(planes).sum(-1, dtype=np.int64)
    return found
