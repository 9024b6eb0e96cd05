"""Task arithmetic: add scaled task vectors to the base."""

from dataclasses import replace

from torch import Tensor

from merging.methods import kernels
from merging.methods.average import NORMALIZE, check_sum
from merging.methods.context import Context
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Source

SCALE = Param(
    name="scale",
    label="Strength λ",
    default=1.0,
    origin="Yadav et al. 2023: 1 without validation data",
    help="How far to move from the base along the merged change. 0 is the base.",
    minimum=-10.0,
    maximum=10.0,
    slider=(0.0, 2.0),
    step=0.05,
    symbol="λ",
    aliases=("lambda", "lam", "lambd", "alpha", "scaling", "scaling_coefficient"),
)

SUM_SCALE = replace(
    SCALE,
    default=0.3,
    origin="Ilharco et al. 2022: 0.3 to 0.5 recommended without validation data",
)

DIVIDE = replace(
    NORMALIZE,
    default=False,
    origin="Ilharco et al. 2022: the task vectors are added, not averaged",
    help="Turns the sum of task vectors into their weighted mean.",
)


def weighted_sum(deltas: Tensor, ctx: Context) -> Tensor:
    """Add the experts' deltas.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert, ``scale`` and ``normalize``.

    Returns:
        λ sum(w τ), divided by sum(w) with ``normalize``; shape (*shape).

    Source:
        Ilharco et al. 2022, arXiv:2212.04089, equation for task addition; negative weights or λ
        negate a task.
    """
    weights = ctx.settings.each["weight"]
    total = kernels.weighted_sum(deltas, weights)
    if ctx.settings.flag("normalize"):
        total /= sum(weights)
    return total * ctx.settings.number("scale")


TASK_ARITHMETIC = MethodSpec(
    id="task_arithmetic",
    label="Task arithmetic",
    family="Task vectors",
    summary="Add what each expert learned, scaled by one strength.",
    idea="A task vector is a direction: added it brings a skill, with a negative weight it takes "
    "one away.",
    formula="θ = θ₀ + λ Σ w·τᵢ",
    source=Source("Ilharco et al. 2022, Editing models with task arithmetic", "2212.04089"),
    merge=weighted_sum,
    params=(SUM_SCALE, DIVIDE),
    check=check_sum,
    dialects={
        "paper": {},
        "mergekit": {"scale": 1.0},
        "peft": {"scale": 1.0},
        "fusion_bench": {"scale": 0.3},
    },
    differs="The paper adds task vectors and has one λ for all. mergekit has a weight for each "
    "expert, λ = 1 by default, and a switch that divides by the sum of weights: a sum and a mean "
    "differ by a factor of n in λ.",
)
