"""The TIES, DARE and task arithmetic family merged and summed in as few passes as it takes.

The kernels make each step anew for every question; here the vote, the merge and who wins share
their passes. A test holds this equal to the kernels' answer.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from merging.methods.context import Settings
from merging.recipe import Recipe
from merging.sketch.columns import Floats
from merging.sketch.scratch import scratch
from merging.sketch.values import Values, add_experts, sums_over

_METHODS = ("ties", "dare", "dare_ties", "task_arithmetic")
_Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Consensus:
    """How survivors become one change; λ aside, which has no part in who wins.

    Attributes:
        weights: By expert.
        election: "sum", "count", or "" where everything is added.
        weighted: Weights act in the vote, too.
        combine: "mean", "weighted_mean" or "sum".
        scale: |λ|, 1 for a λ of 0; over the sum of weights where those are divided by.
    """

    weights: tuple[float, ...]
    election: str
    weighted: bool
    combine: str
    scale: float

    @property
    def plain(self) -> bool:
        """All weights are 1."""
        return all(w == 1 for w in self.weights)


def consensus_of(recipe: Recipe) -> Consensus | None:
    """Return how a recipe merges; None where that is left to the kernels.

    Those are: other methods, scaling by depth, combine ``max``, and negative weights in a vote
    that does not see them.
    """
    settings = recipe.settings()
    if recipe.method not in _METHODS or recipe.spec.shaped(settings):
        return None
    weights, scale = settings.each["weight"], abs(settings.number("scale")) or 1.0
    if recipe.method in ("dare", "task_arithmetic"):
        divisor = abs(sum(weights)) if settings.flag("normalize") else 1.0
        return Consensus(weights, "", True, "sum", scale / divisor)
    weighted, combine = settings.word("voters") == "weighted", settings.word("combine")
    if combine == "max" or min(weights) < 0:
        return None
    return Consensus(weights, settings.word("election"), weighted, combine, scale)


@dataclass(frozen=True, slots=True)
class Elected:
    """One run with its vote.

    Attributes:
        values: Its sums, ties settled by the sign that was guessed.
        balance: By part columns that voted plus, less those that voted minus, (parts,).
        tied: Somewhere survivors cancelled.
    """

    values: Values
    balance: NDArray[np.float64]
    tied: bool


def merge_run(
    kept: Floats, made: Floats, how: Consensus, tie: float | None, turned: bool
) -> Elected:
    """Merge one run of parts and sum.

    Args:
        kept: What survives, shape (experts, parts, width).
        made: The same, made up for what does not.
        how: How to merge.
        tie: Sign of a vote that cancels; None lets each part's majority decide.
        turned: The sum of weights that is divided by is negative.
    """
    wide, flat = made.shape, made.shape[1:]
    factors = np.array(how.weights, np.float32)[:, None, None]
    same = how.weighted or how.plain
    pulling = made if how.plain else np.multiply(made, factors, out=scratch("pulling", wide))
    voters = pulling if how.weighted else made
    total = add_experts(voters, "total")
    votes = total
    if how.election == "count":
        votes = add_experts(np.sign(voters, out=scratch("agreeing", wide)), "votes")
    signs: Floats = scratch("signs", flat)
    torch.sign(torch.from_numpy(votes), out=torch.from_numpy(signs))
    balance, tied = np.zeros(len(signs)), False
    if how.election:
        balance, tied = _settle(signs, voters, tie)
    if turned:
        np.negative(signs, out=signs)
        np.negative(total, out=total)
    # Where nobody loses both sides add the same numbers in the same order.
    agreeing: Floats = scratch("agreeing", wide)
    if same:
        against = np.multiply(total, signs, out=scratch("against", flat))
    else:
        against = add_experts(np.multiply(pulling, signs, out=agreeing), "against")
    torch.from_numpy(np.multiply(voters, signs, out=agreeing)).relu_()
    won = agreeing if same else np.multiply(agreeing, factors, out=scratch("won", wide))
    together = add_experts(won, "together")
    fought = np.greater(together, against, out=scratch("fought", flat, np.bool_))
    fought &= together > 0
    merged = _combined(agreeing, together, signs, total, how)
    return Elected(sums_over(kept, won, together, fought, merged), balance, tied)


def _settle(signs: Floats, voters: Floats, tie: float | None) -> tuple[NDArray[np.float64], bool]:
    """Give votes that cancelled a sign; columns without survivors have one that moves nothing."""
    undecided = np.equal(signs, 0, out=scratch("undecided", signs.shape, np.bool_))
    balance = torch.from_numpy(signs).sum(-1).double().numpy()
    if not undecided.any():
        return balance, False
    present = np.not_equal(voters, 0, out=scratch("marks", voters.shape, np.bool_))
    cancelled = np.bitwise_or.reduce(present, axis=0, out=scratch("any", signs.shape, np.bool_))
    cancelled &= undecided
    if not cancelled.any():
        return balance, False
    ties = np.full((len(signs), 1), tie or 0.0, np.float32)
    if tie is None:
        ties = np.sign(balance[:, None]).astype(np.float32)
    signs += cancelled * ties
    return balance, True


def _combined(
    agreeing: Floats, together: Floats, signs: Floats, total: Floats, how: Consensus
) -> Floats:
    """The merged delta of a positive λ, shape (parts, width)."""
    scale = np.float32(how.scale)
    if not how.election:
        return np.multiply(total, scale)
    merged = np.multiply(together, signs)
    if how.combine == "sum":
        return np.multiply(merged, scale, out=merged)
    winners = np.greater(agreeing, 0, out=scratch("marks", agreeing.shape, np.bool_))
    count: Floats = scratch("count", together.shape)
    if how.combine == "mean" or how.plain:
        small = scratch("small", together.shape, np.int8)
        count[:] = np.add.reduce(winners.view(np.int8), axis=0, dtype=np.int8, out=small)
    else:
        factors = np.array(how.weights, np.float32)[:, None, None]
        shares = np.multiply(winners, factors, out=scratch("shares", agreeing.shape))
        count[:] = add_experts(shares, "against")
    count += np.equal(count, 0, out=scratch("any", together.shape, np.bool_))
    merged /= count
    return np.multiply(merged, scale, out=merged)


def turned(settings: Settings) -> bool:
    """Whether a negative sum of weights is divided by, which turns every direction round."""
    return bool(settings.common.get("normalize", False)) and sum(settings.each["weight"]) < 0
