"""One model per task from one shared vector: TALL masks and EMR; and Consensus, which drops."""

from dataclasses import replace

import torch
from torch import Tensor

from merging.methods.arithmetic import SUM_SCALE
from merging.methods.context import Context, Merged, Models, PerTask
from merging.methods.params import Param
from merging.methods.rows import added
from merging.methods.spec import MethodSpec, Source

MATTERS = Param(
    name="matters",
    label="Matters above",
    symbol="λₘ",
    default=0.4,
    origin="Wang et al. 2024: 0.2 to 0.6, chosen per task on validation data",
    help="A weight matters to a task when its own change is above this share of the others'.",
    minimum=0.0,
    maximum=10.0,
    slider=(0.0, 1.0),
    step=0.05,
    per_expert=True,
    aliases=("tall_lambda", "tall_mask_lambda"),
)
LEAST_TASKS = Param(
    name="least_tasks",
    label="Least tasks k",
    default=2,
    origin="Wang et al. 2024: 2 drops catastrophic and selfish weights",
    help="Keep a weight when it matters to at least so many tasks; 0 keeps all.",
    minimum=0,
    maximum=64,
    slider=(0, 5),
    step=1,
    symbol="k",
)


def task_masks(deltas: Tensor, matters: tuple[float, ...]) -> Tensor:
    """Mark where the shared sum serves each task.

    Args:
        deltas: Shape (experts, *shape).
        matters: λ_m per expert.

    Returns:
        |τ_i| > λ_m |Σ τ - τ_i|, bool, same shape.

    Source:
        Wang et al. 2024, arXiv:2405.07813, equation for TALL masks.
    """
    total = added(deltas)
    return torch.stack(
        [d.abs() > share * (total - d).abs() for d, share in zip(deltas, matters, strict=True)]
    )


def consensus(deltas: Tensor, ctx: Context) -> Tensor:
    """Add the task vectors where the sum serves at least k tasks.

    Args:
        deltas: Shape (experts, *shape).
        ctx: Settings ``matters`` per expert, ``least_tasks``, ``scale``.

    Returns:
        λ Σ τ [#masks ≥ k], shape (*shape).

    Source:
        Wang et al. 2024, arXiv:2405.07813, consensus.
    """
    votes = task_masks(deltas, ctx.settings.each["matters"]).sum(0)
    kept = votes >= ctx.settings.number("least_tasks")
    return added(deltas) * kept * ctx.settings.number("scale")


def tall(models: Models) -> Merged:
    """Keep the sum of the task vectors and, per task, the mask of where it serves that task.

    Source:
        Wang et al. 2024, arXiv:2405.07813, TALL masks.
    """
    shared: dict[str, Tensor] = {}
    masks: dict[str, dict[str, Tensor]] = {e: {} for e in models.experts}
    for index, name in enumerate(models.names):
        models.tell(index / len(models.names), f"merge {name}")
        stack = _stack(models, name)
        shared[name] = added(stack)
        found = task_masks(stack, models.settings.each["matters"])
        for expert, mask in zip(models.experts, found, strict=True):
            masks[expert][name] = mask
    factors = dict.fromkeys(models.experts, 1.0)
    return _with_base(models, PerTask(shared, masks, factors))


def emr(models: Models) -> Merged:
    """Elect one vector of the largest changes; per task keep a mask of signs and one factor.

    Returns:
        Shared delta s · max |τ_i| over agreeing experts (s the sign of the sum, minus for 0);
        masks τ_i s > 0; factors Σ_t mean|τ_i| / Σ_t mean|mask_i U| over tensors t.

    Source:
        Huang et al. 2024, arXiv:2405.17461, in the authors' code.
    """
    shared: dict[str, Tensor] = {}
    masks: dict[str, dict[str, Tensor]] = {e: {} for e in models.experts}
    own = torch.zeros(len(models.experts), dtype=torch.float64)
    left = torch.zeros_like(own)
    for index, name in enumerate(models.names):
        models.tell(index / len(models.names), f"merge {name}")
        stack = _stack(models, name)
        sign = torch.where(stack.sum(0) > 0, 1.0, -1.0).to(stack.dtype)
        along = (stack * sign).clamp_min(0)
        shared[name] = sign * along.amax(0)
        for i, expert in enumerate(models.experts):
            masks[expert][name] = along[i] > 0
            own[i] += float(stack[i].abs().mean())
            left[i] += float((shared[name] * masks[expert][name]).abs().mean())
    factors = torch.where(left > 0, own / left.clamp_min(1e-30), 1.0)
    named = dict(zip(models.experts, factors.tolist(), strict=True))
    return _with_base(models, PerTask(shared, masks, named))


def _stack(models: Models, name: str) -> Tensor:
    return torch.stack([models.delta(i, name) for i in range(len(models.experts))])


def _with_base(models: Models, found: PerTask) -> Merged:
    tensors = {name: models.base(name) + found.shared[name] for name in models.names}
    return Merged(tensors, per_task=found)


_PAPER = Source("Wang et al. 2024, Localizing task information", "2405.07813")
CONSENSUS_TA = MethodSpec(
    id="consensus_ta",
    label="Consensus TA",
    family="Task vectors",
    summary="Add the task vectors, but only where the sum matters to two tasks or more.",
    idea="Weights that serve one task or none bring interference; what serves several is kept.",
    formula="θ = θ₀ + λ · Στᵢ · [#{i : |τᵢ| > λₘ|Στ - τᵢ|} ≥ k]",
    source=_PAPER,
    merge=consensus,
    params=(LEAST_TASKS, SUM_SCALE, replace(MATTERS, advanced=True)),
    weighted=False,
    homogeneous=True,
    differs="The authors choose λₘ for each task on validation data, and also start from the sum "
    "of TIES in place of the plain one; here λₘ is given and the sum is plain.",
)
TALL = MethodSpec(
    id="tall_masks",
    label="TALL masks",
    family="One model per task",
    summary="Keep the sum of all experts and, per task, one bit per weight: does it serve here?",
    idea="Most of an expert can be found again in the sum, and a mask of bits is far smaller than "
    "the expert.",
    formula="θ₍ᵢ₎ = θ₀ + mᵢ ⊙ Στ,  mᵢ = [|τᵢ| > λₘ|Στ - τᵢ|]",
    source=_PAPER,
    whole=tall,
    params=(MATTERS,),
    scope=lambda settings: "element",
    weighted=False,
    homogeneous=True,
    cost="one pass; one bit per weight and task is kept",
    differs="The authors choose λₘ for each task on validation data, and also start from the sum "
    "of TIES in place of the plain one; here λₘ is given and the sum is plain.",
)
EMR = MethodSpec(
    id="emr",
    label="EMR-Merging",
    family="One model per task",
    summary="Elect one vector; per task a mask of signs and one factor bring its expert back.",
    idea="Signs and a length are most of what an expert needs back; no data and no tuning are "
    "involved.",
    formula="θ₍ᵢ₎ = θ₀ + rᵢ·mᵢ ⊙ U,  U = s·max{|τᵢ| : sign s}",
    source=Source("Huang et al. 2024, EMR-Merging", "2405.17461"),
    whole=emr,
    scope=lambda settings: "model",
    dialects={"paper": {}, "fusion_bench": {}},
    weighted=False,
    homogeneous=True,
    cost="one pass; one bit per weight and task is kept",
    differs="In the authors' code, followed here, the factor adds means over tensors, so small "
    "tensors count as much as large ones.",
)
