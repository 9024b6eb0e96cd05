"""What the loops of a preview are given and give back: plain arrays under their names."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Table = NDArray[np.float64]
Counts = NDArray[np.int64]
Words = NDArray[np.int32]
Signs = NDArray[np.int8]


class Held(NamedTuple):
    """The sampled deltas.

    Attributes:
        deltas: Of one expert after the other, shape (experts * columns,).
        words: Their bit patterns.
        bits: Hash bits at the same places; empty where none are asked for.
        starts, stops: First column of every part and the one after its last, shape (parts,).
    """

    deltas: Floats
    words: Words
    bits: Words
    starts: Counts
    stops: Counts


class Survival(NamedTuple):
    """What survives, and how it is made up for what does not.

    Attributes:
        hashed: Whether the hash bits decide rather than the size, shape (experts,).
        low: Smallest hash bits, or bit pattern of the smallest size, that survive in the columns
            of a part before ``place``; shape (experts, parts).
        high: The same from ``place`` on.
        place: A column of the part, shape (experts, parts).
        factors: What survivors are multiplied by, shape (experts, parts).
        lengths: Restore L1 norms instead.
        floor: Norms below it are not restored.
    """

    hashed: NDArray[np.bool_]
    low: Words
    high: Words
    place: Counts
    factors: Floats
    lengths: bool
    floor: float


class Consensus(NamedTuple):
    """How survivors become one change.

    Attributes:
        weights: Shape (experts,).
        votes: Sign with which each expert's changes meet the others', 0 without a say, (experts,).
        election: ``ADD`` (nobody is elected, all is added), ``BY_SUM`` or ``BY_COUNT``.
        weighted: Weights act in the vote, too.
        combine: ``SUM``, ``MEAN``, ``WEIGHTED_MEAN`` or ``LARGEST``.
        scale: What the result is multiplied by, shape (parts,).
        ties: Sign of votes that cancel, shape (parts,).
    """

    weights: Floats
    votes: Floats
    election: int
    weighted: bool
    combine: int
    scale: Floats
    ties: Floats


class Sums(NamedTuple):
    """Counts and sums by part over its columns.

    Attributes:
        survivors: Columns kept by 0, 1, ..., n experts that have a say, (parts, experts + 1).
        contested: Columns where kept changes of both signs meet, (parts,).
        kept: Changes that survive, of each expert, (parts, experts).
        balance: Columns that voted plus, less those that voted minus, (parts,).
        tied: Columns where survivors' votes cancel, (parts,).
        fought: Columns where somebody wins against somebody, (parts,).
        flips: Columns that change in the other direction than was pinned, (parts,).
        kept2, kept4: Second and fourth powers of what survives of each expert, before it is made
            up for what does not; (parts, experts).
        won, won2: Pull of each expert where it carries the merged sign and another does not, and
            its square; (parts, experts).
        won_all: Product of that with the pull of all winners, (parts, experts).
        all2: Square of the pull of all winners, (parts,).
        moved2, moved4: Second and fourth powers of the merged delta, (parts,).
    """

    survivors: Counts
    contested: Counts
    kept: Counts
    balance: Counts
    tied: Counts
    fought: Counts
    flips: Counts
    kept2: Table
    kept4: Table
    won: Table
    won2: Table
    won_all: Table
    all2: Table
    moved2: Table
    moved4: Table
