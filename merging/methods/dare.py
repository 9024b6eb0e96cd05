"""DARE: drop changes at random, scale up the rest, then merge by addition or by TIES."""

from dataclasses import replace

from torch import Tensor

from merging.methods import arithmetic, ties
from merging.methods.average import check_sum
from merging.methods.context import Context, Settings
from merging.methods.kernels import drop, norms_around_drop, rescale
from merging.methods.params import Param, Value
from merging.methods.spec import MethodSpec, Scope, Source
from merging.methods.totals import over_tensor

DROP_RATE = Param(
    name="drop_rate",
    label="Drop rate",
    default=0.9,
    origin="Yu et al. 2023: up to 0.9 without loss",
    help="Chance that a change is thrown away; the rest is scaled up to make up for it.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.99),
    step=0.01,
    symbol="p",
    per_expert=True,
    exclusive=True,
    aliases=("p", "mask_rate", "dropout", "sparsity_ratio", "weight_mask_rate"),
)

RESCALE = replace(
    ties.RESCALE,
    default="inverse",
    origin="Yu et al. 2023: 1/(1 - p)",
    help="By 1/(1 - p), so that each tensor keeps its L1 norm, or not at all.",
)


def drop_and_rescale(deltas: Tensor, ctx: Context) -> Tensor:
    """Drop entries at random and make up for them.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``drop_rate`` per expert and ``rescale``; masks by tensor and expert.

    Returns:
        m τ / (1 - p) with m ~ Bernoulli(1 - p), same shape.

    Source:
        Yu et al. 2023, arXiv:2311.03099, section 3.
    """
    how, densities = ctx.settings.word("rescale"), [1 - p for p in _rates(ctx)]
    norms = over_tensor("l1", deltas, ctx, _norms) if how == "l1" else None
    return rescale(drop(deltas, _masks(deltas, ctx)), how, densities, norms)


def _rates(ctx: Context) -> tuple[float, ...]:
    return ctx.settings.each["drop_rate"]


def _masks(deltas: Tensor, ctx: Context) -> list[Tensor]:
    count = deltas[0].numel()
    return [
        ctx.masks.keep(ctx.tensor, expert, ctx.start, count, rate)
        for expert, rate in zip(ctx.experts, _rates(ctx), strict=True)
    ]


def _norms(deltas: Tensor, ctx: Context) -> Tensor:
    """L1 norms before and after dropping, shape (2, experts)."""
    return norms_around_drop(deltas, _masks(deltas, ctx))


def scope(settings: Settings) -> Scope:
    """Restoring an L1 norm needs the whole tensor; the rest works element by element."""
    return "tensor" if settings.word("rescale") == "l1" else "element"


DARE = MethodSpec(
    id="dare",
    label="DARE",
    family="Task vectors",
    summary="Drop most changes at random, scale up the rest, and add the task vectors.",
    idea="Most changes are redundant: the rest, scaled up, gives layers the same output on "
    "average, and experts collide less.",
    formula="θ = θ₀ + λ Σ w · mᵢ·τᵢ / (1 - p)",
    source=Source("Yu et al. 2023, Language models are super Mario", "2311.03099"),
    merge=arithmetic.weighted_sum,
    sparsify=drop_and_rescale,
    params=(DROP_RATE, arithmetic.SUM_SCALE, RESCALE, arithmetic.DIVIDE),
    scope=scope,
    holds=lambda settings: "",
    check=check_sum,
    dialects={
        "paper": {},
        "mergekit": {"rescale": "l1", "scale": 1.0},
        "peft": {"scale": 1.0},
        "fusion_bench": {"drop_rate": 0.5},
    },
    random=True,
    differs="The paper, peft, MergeLM and fusion_bench divide by 1 - p. mergekit, since 0.1.0, "
    "restores the L1 norm of each tensor, which agrees on average only and differs most in small "
    "tensors. In MergeLM the default drop rate is 0.1 and scaling up is a switch. Masks here "
    "follow from seed, tensor and expert; those of others follow from the order of their draws.",
)


def ties_scope(settings: Settings) -> Scope:
    """A trim decides; without one only an L1 norm or a tied vote looks beyond the element."""
    if any(density < 1 for density in settings.each["density"]):
        return ties.scope(settings)
    if settings.word("zero_sign") == "majority":
        return "model"
    return scope(settings)


MERGEKIT: dict[str, Value] = {
    **ties.MERGEKIT,
    "combine": "sum",
    "rescale": "l1",
    "scale": 1.0,
}

DARE_TIES = MethodSpec(
    id="dare_ties",
    label="DARE + TIES",
    family="Task vectors",
    summary="Drop changes at random, then elect one sign per weight and average what agrees.",
    idea="Dropping leaves few places where experts collide, and the election settles those that "
    "remain.",
    formula="θ = θ₀ + λ · mean{ w·mᵢ·τᵢ/(1 - p) : τᵢ carries the elected sign }",
    source=Source("Yu et al. 2023, Language models are super Mario", "2311.03099"),
    sparsify=drop_and_rescale,
    trim=ties.trimmed,
    merge=ties.consensus,
    params=(
        DROP_RATE,
        replace(
            arithmetic.SCALE,
            default=0.3,
            origin="Measured here: at 1 the rescaled changes overshoot",
        ),
        RESCALE,
        replace(
            ties.DENSITY,
            default=1.0,
            origin="no second trim",
            help="Trim again after dropping: share of what is there that is kept.",
            advanced=True,
        ),
        *ties.CONSENSUS,
    ),
    scope=ties_scope,
    holds=lambda settings: "",
    survey=ties.TALLY,
    check=ties.check,
    dialects={
        "paper": {},
        "mergekit": MERGEKIT,
        "peft": {**ties.PEFT, "scale": 1.0},
        "fusion_bench": {**ties.FUSION_BENCH, "drop_rate": 0.5, "scale": 0.5},
    },
    random=True,
    cost="one pass over the weights, and one before it, with all task vectors in memory, for the "
    "sign of tied votes",
    differs="MergeLM trims by TIES what DARE has left; mergekit does not trim by size at all, "
    "restores L1 norms instead of dividing by 1 - p, lets weights vote, and adds without dividing.",
)
