"""TIES: trim small changes, elect one sign per coordinate, merge what agrees."""

from collections.abc import Mapping

import torch
from torch import Tensor

from merging.errors import ParameterError
from merging.methods import kernels
from merging.methods.arithmetic import SCALE
from merging.methods.context import Context, Settings
from merging.methods.kernels import (
    TRIM_RULES,
    elect,
    per_expert,
    rescale,
    settle,
    trim,
)
from merging.methods.params import Param, Value
from merging.methods.spec import MethodSpec, Scope, Source
from merging.methods.totals import Tally, l1, over_tensor

DENSITY = Param(
    name="density",
    label="Density",
    default=0.2,
    origin="Yadav et al. 2023: top 20 %",
    help="Share of each expert's changes that is kept, largest first.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.01, 1.0),
    step=0.01,
    symbol="d",
    per_expert=True,
    aliases=("k", "topk", "top_k", "keep", "threshold", "reset_thresh"),
)


def _choice(name: str, label: str, choices: tuple[str, ...], help: str, origin: str) -> Param:
    return Param(
        name=name,
        label=label,
        default=choices[0],
        origin=origin,
        help=help,
        choices=choices,
        advanced=True,
    )


_AUTHORS = "code of the authors of TIES"
TRIM_SCOPE = _choice(
    "trim_scope", "Trim over", ("global", "tensor"),
    "Compare sizes over the whole task vector, or within each tensor.", _AUTHORS,
)  # fmt: skip
TRIM_RULE = _choice(
    "trim_rule", "Trim rule", TRIM_RULES,
    "How the share is turned into a count: k + 1 and ties, by the count dropped, exactly k, "
    "exactly k but never none, or strictly above what is dropped.", _AUTHORS,
)  # fmt: skip
ELECTION = _choice(
    "election", "Vote", ("sum", "count"),
    "Experts vote with the size of their change, or one vote each.", "Yadav et al. 2023, step 2",
)  # fmt: skip
VOTERS = _choice(
    "voters", "Weights in the vote", ("unweighted", "weighted"),
    "Weights act only after the election, or also in it.",
    "Yadav et al. 2023: no weights; ours: after the election",
)  # fmt: skip
ZERO_SIGN = _choice(
    "zero_sign", "Tied votes", ("majority", "plus"),
    "A vote that cancels exactly takes the sign that prevails elsewhere, or plus.", _AUTHORS,
)  # fmt: skip
COMBINE = _choice(
    "combine", "Combine", ("mean", "weighted_mean", "sum", "max"),
    "Divide by the number of agreeing experts, by their weights, not at all, or take the largest.",
    "Yadav et al. 2023, step 3 (disjoint mean)",
)  # fmt: skip
RESCALE = _choice(
    "rescale", "Make up for what was dropped", ("none", "inverse", "l1"),
    "Not at all, by 1/density, or so that each tensor keeps its L1 norm.", "Yadav et al. 2023",
)  # fmt: skip

ELECTED = (ELECTION, VOTERS, ZERO_SIGN, COMBINE)
CONSENSUS = (TRIM_SCOPE, TRIM_RULE, *ELECTED)
VOTES_AS_MERGEKIT: Mapping[str, Value] = {
    "voters": "weighted",
    "zero_sign": "plus",
    "combine": "weighted_mean",
}
MERGEKIT: Mapping[str, Value] = {
    "trim_scope": "tensor",
    "trim_rule": "at_least_one",
    **VOTES_AS_MERGEKIT,
}
PEFT: Mapping[str, Value] = {
    "trim_scope": "tensor",
    "trim_rule": "exact",
    "zero_sign": "plus",
    "scale": 1.0,
}
FUSION_BENCH: Mapping[str, Value] = {"density": 0.2, "combine": "sum", "scale": 0.3}


def trimmed(deltas: Tensor, ctx: Context) -> Tensor:
    """Set to zero what the trim does not keep.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``density`` per expert and ``trim_rule``; magnitudes over the trim scope.

    Returns:
        Same shape; ``deltas`` itself where nothing is trimmed.
    """
    rule = ctx.settings.word("trim_rule")
    return trim(deltas, ctx.settings.each["density"], rule, ctx.magnitudes)


def trimmed_and_rescaled(deltas: Tensor, ctx: Context) -> Tensor:
    """Trim, then make up for what was dropped as ``rescale`` says; shapes as in ``trimmed``."""
    how, densities = ctx.settings.word("rescale"), ctx.settings.each["density"]
    kept = trimmed(deltas, ctx)
    norms = torch.stack([l1(deltas), l1(kept)]) if how == "l1" else None
    return rescale(kept, how, densities, norms)


def consensus(sparse: Tensor, ctx: Context) -> Tensor:
    """Elect a sign per coordinate and merge the experts that agree with it.

    Args:
        sparse: Deltas with dropped entries at zero, shape (experts, *shape).
        ctx: Settings ``weight``, ``voters``, ``election``, ``zero_sign``, ``combine``, ``scale``;
            ``survey`` holds the model's ``balance``, else that of this tensor decides tied votes.

    Returns:
        Merged delta times λ, shape (*shape).

    Source:
        Yadav et al. 2023, arXiv:2306.01708, algorithm 1, steps 2 and 3.
    """
    settings = ctx.settings
    return kernels.consensus(
        sparse,
        settings.each["weight"],
        settings.word("voters") == "weighted",
        settings.word("election"),
        _tie(sparse, ctx),
        settings.word("combine"),
        settings.number("scale"),
    )


def _tie(sparse: Tensor, ctx: Context) -> float:
    """Sign that tied votes take."""
    if ctx.settings.word("zero_sign") == "plus":
        return 1.0
    known = ctx.survey
    found = known if isinstance(known, Tensor) else over_tensor("balance", sparse, ctx, balance)
    return float(found.sign())


def _tied(settings: Settings) -> bool:
    return settings.word("zero_sign") != "plus"


def voters(sparse: Tensor, ctx: Context) -> Tensor:
    """Return what every expert votes with: its change, times its weight where weights vote."""
    if ctx.settings.word("voters") == "unweighted":
        return sparse
    return sparse * per_expert(ctx.settings.each["weight"], sparse)


def elected(sparse: Tensor, ctx: Context) -> Tensor:
    """Return the signs that ``consensus`` elects.

    Args:
        sparse, ctx: As of ``consensus``.

    Returns:
        -1, 0 or +1, shape (*shape); tied votes, also where nobody votes, are settled.
    """
    signs = elect(voters(sparse, ctx), ctx.settings.word("election"))
    return settle(signs, _tie(sparse, ctx))


def balance(sparse: Tensor, ctx: Context) -> Tensor:
    """Return the sum of all elected signs: its sign is the one that prevails.

    Args:
        sparse: Deltas with dropped entries at zero, shape (experts, *shape).
        ctx: Settings ``voters``, ``election`` and ``zero_sign``.

    Returns:
        float64, no axis; 0 where no vote can need it.

    Source:
        Code of the authors of TIES (resolve_zero_signs).
    """
    if ctx.settings.word("zero_sign") == "plus":
        return torch.zeros((), dtype=torch.float64)
    signs = elect(voters(sparse, ctx), ctx.settings.word("election"))
    return signs.sum(dtype=torch.float64).cpu()


TALLY = Tally(balance, _tied)


def scope(settings: Settings) -> Scope:
    """A global trim needs the whole model, a trim per tensor the tensor."""
    return "model" if settings.word("trim_scope") == "global" else "tensor"


def holds(settings: Settings) -> str:
    """Chunks do, but for the L1 norm of what a trim leaves."""
    if settings.word("rescale") != "l1":
        return ""
    return "it restores the L1 norm of what the trim leaves of a tensor"


def check(settings: Settings) -> None:
    """Refuse options that contradict each other.

    Raises:
        ParameterError: A negative weight where the divisor is a sum of weights, or a global trim
            by a rule that counts ties within one tensor.
    """
    check_divisor(settings)
    check_trim(settings)


def check_divisor(settings: Settings) -> None:
    """Refuse negative weights where their sum is the divisor: it may come near zero anywhere.

    mergekit divides by the signed sum of the weights that vote; its dialect does too.

    Raises:
        ParameterError: It names the weight.
    """
    combine, voters = settings.word("combine"), settings.word("voters")
    as_mergekit = settings.dialect == "mergekit" and voters == "weighted"
    negative = [w for w in settings.each["weight"] if w < 0]
    if combine == "weighted_mean" and negative and not as_mergekit:
        raise ParameterError(
            f"A weight is {negative[0]:g}, and combine weighted_mean divides by the sum of "
            "weights. Use weights of at least 0, or combine mean."
        )


def check_trim(settings: Settings) -> None:
    """Refuse a global trim by a rule that counts ties within one tensor.

    Raises:
        ParameterError: It names the rule.
    """
    rule = settings.word("trim_rule")
    if settings.word("trim_scope") == "global" and rule not in ("authors", "dropped", "strict"):
        raise ParameterError(
            f"trim_rule {rule} counts within one tensor, but trim_scope is global. "
            "Use trim_rule authors, or trim_scope tensor."
        )


TIES = MethodSpec(
    id="ties",
    label="TIES",
    family="Task vectors",
    summary="Keep each expert's largest changes, elect one sign per weight, average what agrees.",
    idea="Small changes are mostly noise, and opposite signs cancel; without both, the mean keeps "
    "more of every expert.",
    formula="θ = θ₀ + λ · mean{ w·τᵢ : trimmed τᵢ carries the elected sign }",
    source=Source("Yadav et al. 2023, TIES-Merging", "2306.01708"),
    trim=trimmed_and_rescaled,
    merge=consensus,
    params=(DENSITY, SCALE, *CONSENSUS, RESCALE),
    scope=scope,
    holds=holds,
    survey=TALLY,
    check=check,
    dialects={
        "paper": {},
        "mergekit": {**MERGEKIT, "density": 1.0},
        "peft": PEFT,
        "fusion_bench": FUSION_BENCH,
    },
    cost="one pass over the weights; a global trim also takes an order statistic per expert with "
    "all task vectors in memory",
    differs="The authors trim over the whole task vector, keep int(d·N) + 1 changes and all ties, "
    "and divide by the number of experts that agree. mergekit trims within each tensor, lets "
    "weights vote and divides by the sum of those that agree, so the weight of a lone expert "
    "cancels. peft trims within each tensor to exactly int(d·n), which may be none, and weighs "
    "after the vote. fusion_bench adds without dividing. A vote that cancels goes to the "
    "majority's sign at the authors and to plus in mergekit and peft.",
)
