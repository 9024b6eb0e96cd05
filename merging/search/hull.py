"""The convex hull of experts: models between them, drawn at random, and its middle."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from merging.evaluation.judged import Judged
from merging.jobs import Report
from merging.search.asked import corners_of, seed_of, threads_of, whole_number
from merging.search.ground import BASE, Ground
from merging.search.judging import judged
from merging.search.pace import Ended, ended_by
from merging.search.points import Answers

SAMPLES = 24
MOST_DRAWN = 100_000
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A model of the hull, or the base.

    Attributes:
        name: An expert's, ``base``, ``centroid``, or "" for one that was drawn.
        shares: Of each expert, in their order; they sum to 1, and are 0 for the base.
        judged: What it makes of the items.
    """

    name: str
    shares: tuple[float, ...]
    judged: Judged


@dataclass(frozen=True, slots=True, eq=False)
class Hull:
    """Models of a hull at one moment.

    Attributes:
        experts: Its corners.
        members: What was judged, in the order it was done.
        total: How many there will be.
        own: What each task's own expert answers.
        ended: "" while it runs; ``complete`` or ``cancelled``.
        spent: Seconds it has taken.
    """

    experts: tuple[str, ...]
    members: tuple[Member, ...] = ()
    total: int = 0
    own: Answers = field(default_factory=dict)
    ended: Ended = ""
    spent: float = 0.0


CENTROID = "centroid"


def dirichlet(corners: int, count: int, seed: int = 0) -> Shares:
    """Return places spread evenly over a hull, shape (count, corners); rows sum to 1.

    Args:
        corners: At least 1.
        count: From 0 to 100,000.
        seed: Same seed, same places; at least 0.

    Raises:
        ParameterError: A number is not whole, or out of range.
    """
    corners = whole_number("corners", corners, 1)
    count, seed = whole_number("count", count, 0, MOST_DRAWN), seed_of(seed)
    return np.random.default_rng(seed).dirichlet(np.ones(corners), size=count)


def hull(
    ground: Ground,
    experts: Sequence[str],
    report: Report,
    *,
    count: int = SAMPLES,
    seed: int = 0,
    on_point: Callable[[Hull], None] = lambda found: None,
    clock: Callable[[], float] = time.monotonic,
    threads: int | None = None,
) -> Hull:
    """Judge base, experts, their centroid, and models drawn evenly from their convex hull.

    Args:
        ground: Gives models and judges them.
        experts: Its corners, at least two different ones of its models, not the base.
        report: Called with the share done; when it raises ``Cancelled`` what is done is returned.
        count: Models drawn, from 0 to 100,000.
        seed: For the draws, at least 0.
        on_point: Called with the hull after each model.
        clock: Seconds; a test may bring its own.
        threads: That judge at once.

    Raises:
        CompatibilityError: There are fewer than two experts.
        ParameterError: A number is out of range, or an expert is the base or named twice.
        UnknownNameError: An expert is not there.
        MergeError: A model does not fit or cannot be judged.

    Source:
        Gueta et al. 2023, arXiv:2302.04863: models between fine-tuned ones do as well as they do,
        and the centroid does better than most.
    """
    begin, corners = clock(), corners_of(experts, ground.models(), BASE)
    todo, hands = _members(corners, count, seed), threads_of(threads)
    base = ground.weights(BASE)
    vectors = [ground.weights(name) - base for name in corners]
    state = Hull(corners, total=len(todo))

    def at(shares: tuple[float, ...], told: Report) -> Judged:
        return ground.judge(_mixed(base, vectors, shares), told)

    def measured(own: Answers) -> None:
        nonlocal state
        state = replace(state, own=own)

    def work() -> None:
        nonlocal state
        pieces = [partial(at, shares) for _, shares in todo]
        with closing(judged(ground, ground.tasks(), pieces, report, hands, measured)) as found:
            for place, model in found:
                member = Member(*todo[place], model)
                state = replace(state, members=(*state.members, member), spent=clock() - begin)
                on_point(state)

    ended = ended_by(work)
    state = replace(state, ended=ended, spent=clock() - begin)
    on_point(state)
    return state


def _members(
    experts: tuple[str, ...], count: int, seed: int
) -> list[tuple[str, tuple[float, ...]]]:
    corners = len(experts)
    singles = [(e, tuple(float(e == other) for other in experts)) for e in experts]
    middle = (CENTROID, (1 / corners,) * corners)
    drawn = [("", tuple(map(float, row))) for row in dirichlet(corners, count, seed)]
    return [(BASE, (0.0,) * corners), *singles, middle, *drawn]


def _mixed(base: Tensor, vectors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    mixed = base.clone()
    for vector, share in zip(vectors, shares, strict=True):
        mixed.add_(vector, alpha=share)
    return mixed
