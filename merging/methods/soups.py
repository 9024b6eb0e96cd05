"""Soups and checkpoint averages: whose weights count how much, and which are let in."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from merging.errors import CompatibilityError, ParameterError
from merging.methods.arithmetic import SCALE
from merging.methods.average import check_sum_always
from merging.methods.context import Context, Merged, Models, Settings
from merging.methods.kernels import weighted_sum
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

DECAY = Param(
    name="decay",
    label="Decay β",
    default=0.5,
    origin="ours: halfway; 0 takes the last checkpoint alone",
    help="Each checkpoint counts β times as much as the one after it; 1 gives the plain mean.",
    minimum=0.0,
    maximum=1.0,
    symbol="β",
)
SAMPLES = Param(
    name="samples",
    label="Samples",
    default=1,
    origin="McMahan et al. 2017: n_k, the client's number of examples",
    help="How many examples each expert was trained on; its share of their sum is its weight.",
    minimum=1,
    maximum=10**12,
    slider=(1, 10_000),
    step=1,
    per_expert=True,
    own=True,
    symbol="n",
)
BY = Param(
    name="by",
    label="Weigh by",
    default="loss",
    origin="2504.18580: by training loss or by steps",
    help="Low training loss counts more, or late training steps do.",
    choices=("loss", "step"),
)
METRIC = Param(
    name="metric",
    label="Loss or step",
    default=1.0,
    origin="given with each checkpoint",
    help="Training loss of each checkpoint, or the number of steps behind it.",
    minimum=-1e12,
    maximum=1e12,
    slider=(0.0, 10.0),
    per_expert=True,
    own=True,
)
PENALTY = Param(
    name="penalty",
    label="Penalty p",
    default=1.0,
    origin="ours: the paper's formula is not known to us",
    help="0 is the plain mean; the larger, the more the best checkpoint counts.",
    minimum=0.0,
    maximum=100.0,
    slider=(0.0, 10.0),
    step=0.1,
    symbol="p",
)
TARGET = Param(
    name="sparsity",
    label="Prune again to",
    default=0.0,
    origin="Zimmer et al. 2024: 0, the shared mask is kept as it is",
    help="Share of each tensor that is zero afterwards, smallest weights first; 0 prunes nothing.",
    minimum=0.0,
    maximum=1.0,
    slider=(0.0, 0.99),
    exclusive=True,
)
ACCEPT = Param(
    name="accept",
    label="Let in",
    default="better",
    origin="Wortsman et al. 2022: strictly better",
    help="Only models that make the soup better, or also those that leave it as good.",
    choices=("better", "as_good"),
)


def _mean(models: Tensor, shares: list[float]) -> Tensor:
    return weighted_sum(models, [s / sum(shares) for s in shares])


def checkpoint_ema(models: Tensor, ctx: Context) -> Tensor:
    """Average checkpoints of one run, later ones more: w_i in proportion to β^(n-i).

    Args:
        models: Shape (checkpoints, *shape), oldest first.
        ctx: Setting ``decay``, in [0, 1].

    Returns:
        Shape (*shape).

    Source:
        Exponential moving average of weights; β = 1 is the plain checkpoint average.
    """
    beta, count = ctx.settings.number("decay"), len(models)
    return _mean(models, [beta ** (count - 1 - i) for i in range(count)])


def federated(models: Tensor, ctx: Context) -> Tensor:
    """Average by sample counts; shapes as in ``checkpoint_ema``.

    Source:
        McMahan et al. 2017, arXiv:1602.05629, equation of the server's step.
    """
    return _mean(models, list(ctx.settings.each["samples"]))


def metric_shares(metrics: tuple[float, ...], by: str, penalty: float) -> list[float]:
    """Return the weights of checkpoints by a metric, summing to 1.

    By loss (min L / L_i)^p, and by steps (s_i / max s)^p. Where a loss is not positive the same
    limits come from exp(-p (L_i - min L) / spread).

    Args:
        metrics: Loss or step of each checkpoint.
        by: ``loss`` or ``step``.
        penalty: p, at least 0; 0 gives equal weights.

    Source:
        Ours: the formula of arXiv:2504.18580 is not known to us, only its idea.
    """
    values = torch.tensor(metrics, dtype=torch.float64)
    if by == "step":
        raw = (values.clamp_min(0) / values.max().clamp_min(1e-30)) ** penalty
    elif bool((values > 0).all()):
        raw = (values.min() / values) ** penalty
    else:
        spread = (values.max() - values.min()).clamp_min(1e-30)
        raw = torch.exp(-penalty * (values - values.min()) / spread)
    shares: list[float] = (raw / raw.sum()).tolist()
    return shares


def metric_weighted(models: Tensor, ctx: Context) -> Tensor:
    """Average checkpoints by ``metric_shares``; shapes as in ``checkpoint_ema``."""
    settings = ctx.settings
    by, penalty = settings.word("by"), settings.number("penalty")
    return _mean(models, metric_shares(settings.each["metric"], by, penalty))


def check_metric(settings: Settings) -> None:
    """Refuse steps that give no weight to anybody.

    Raises:
        ParameterError: By steps, and no step is above 0.
    """
    if settings.word("by") == "step" and max(settings.each["metric"]) <= 0:
        raise ParameterError("No checkpoint has a step above 0. Give each its number of steps.")


def sparse_soup(models: Tensor, ctx: Context) -> Tensor:
    """Average models that were retrained from one pruned parent; their zeros stay zeros.

    Args:
        models: Shape (experts, *shape).
        ctx: Settings ``weight`` per expert (divided by their sum) and ``sparsity``.

    Returns:
        Shape (*shape).

    Raises:
        CompatibilityError: Some experts are zero where others are not in a matrix that is mostly
            pruned: their masks differ, and the average would fill both.

    Source:
        Zimmer et al. 2024, arXiv:2306.16788.
    """
    zero = models == 0
    shared = zero.all(0)
    if models.dim() > 2 and bool((zero.any(0) & ~shared).any()) and bool(shared.any()):
        differing = int((zero.any(0) & ~shared).sum())
        if ctx.settings.number("sparsity") == 0:
            raise CompatibilityError(
                f"{ctx.tensor}: {differing} weights are zero in some experts only. Their masks "
                "differ, so they are no retrained copies of one pruned parent. Choose how far to "
                "prune the average again, or use Average."
            )
    merged = _mean(models, list(ctx.settings.each["weight"])).masked_fill(shared, 0)
    return prune(merged, ctx.settings.number("sparsity"))


def prune(weights: Tensor, sparsity: float) -> Tensor:
    """Zero the smallest weights of a tensor with two or more axes until a share is zero."""
    count = int(weights.numel() * sparsity)
    if weights.dim() < 2 or count == 0:
        return weights
    smallest = weights.abs().flatten().argsort(stable=True)[:count]
    return weights.flatten().index_fill(0, smallest, 0).reshape(weights.shape)


def greedy_soup(models: Models) -> Merged:
    """Let experts into the average one by one, best first, when held-out scores agree.

    Equal own scores keep the order of the recipe.

    Args:
        models: ``score`` returns held-out quality, higher is better.

    Returns:
        The uniform average of those let in.

    Source:
        Wortsman et al. 2022, arXiv:2203.05482, recipe 1 (strictly better); Zimmer et al. 2024
        also let in what is as good.
    """
    names, count = models.names, len(models.experts)
    own = []
    for index in range(count):
        models.tell(index / (2 * count), f"score {models.experts[index]} alone")
        own.append(models.score({n: models.weights(index, n) for n in names}))
    order = sorted(range(count), key=lambda i: -own[i])
    chosen, best = order[:1], own[order[0]]
    soup = {n: models.weights(order[0], n) for n in names}
    for step, index in enumerate(order[1:]):
        models.tell(0.5 + step / (2 * count), f"try {models.experts[index]} in the soup")
        grown = {
            n: soup[n] + (models.weights(index, n) - soup[n]) / (len(chosen) + 1) for n in names
        }
        score = models.score(grown)
        if score > best or (score == best and models.settings.word("accept") == "as_good"):
            chosen, best, soup = [*chosen, index], score, grown
    note = "mean of " + ", ".join(models.experts[i] for i in chosen)
    return Merged(soup, notes=dict.fromkeys(names, note))


def interpolate(deltas: Tensor, ctx: Context) -> Tensor:
    """Return λ τ of the one expert; shapes (1, *shape) -> (*shape).

    Source:
        Wortsman et al. 2022, arXiv:2109.01903, equation 1.
    """
    return deltas[0] * ctx.settings.number("scale")


_average = partial(
    MethodSpec,
    family="Averages",
    needs=Needs(base=False),
    space="weights",
    idempotent=True,
    weighted=False,
)
CHECKPOINT_EMA = _average(
    id="checkpoint_ema",
    label="Checkpoint EMA",
    summary="Average the checkpoints of one run, in the order of the list, later ones more.",
    idea="Late checkpoints wander around a minimum, and their mean lies nearer to its middle.",
    formula="θ = Σ βⁿ⁻ⁱ·θᵢ / Σ βⁿ⁻ⁱ",
    source=Source("Izmailov et al. 2018, Averaging weights leads to wider optima", "1803.05407"),
    merge=checkpoint_ema,
    params=(DECAY,),
    symmetric=False,
    order="The oldest checkpoint comes first.",
    differs="Training code updates such a mean at every step, with β close to 1; here a few saved "
    "checkpoints are averaged at once.",
)
FEDAVG = _average(
    id="fedavg",
    label="FedAvg",
    summary="Average by the number of examples each expert has seen.",
    idea="Experts with more data count more; after one full step of training each, it equals a "
    "step on the pooled data.",
    formula="θ = Σ nᵢ·θᵢ / Σ nᵢ",
    source=Source("McMahan et al. 2017, Federated averaging", "1602.05629"),
    merge=federated,
    params=(SAMPLES,),
    differs="The original repeats training and averaging in rounds; here one round is averaged.",
)
METRIC_WEIGHTED = _average(
    id="metric_weighted",
    label="Metric-weighted average",
    summary="Average checkpoints by training loss or step, in our form of the idea.",
    idea="Checkpoints that are better or later count more, and a single number says by how much.",
    formula="θ = Σ wᵢ·θᵢ,  wᵢ ∝ (min L / Lᵢ)ᵖ or (sᵢ / max s)ᵖ",
    source=Source("Metrics-weighted averaging, 2025; our form of the weights", "2504.18580"),
    merge=metric_weighted,
    params=(BY, METRIC, PENALTY),
    check=check_metric,
    differs="The paper's formula is not known to us. Ours has its limits: p = 0 is the plain mean, "
    "a large p takes the best checkpoint alone.",
)
GREEDY_SOUP = _average(
    id="greedy_soup",
    label="Greedy soup",
    summary="Add experts to the average, best first, and keep each only if held-out scores agree.",
    idea="On the data that decide, the soup is never worse than the best single model; on other "
    "data it may be.",
    formula="θ = mean{ θᵢ : the soup was better with θᵢ }",
    source=Source("Wortsman et al. 2022, Model soups", "2203.05482"),
    whole=greedy_soup,
    params=(ACCEPT,),
    needs=Needs(base=False, data="scorer"),
    symmetric=False,
    order="It decides only between experts of the same score.",
    scope=lambda settings: "model",
    cost="2n - 1 evaluations on held-out data",
    differs="model-soups lets in what is strictly better, SMS also what is as good. Equal scores "
    "come in reverse order in model-soups; here they keep the order of the recipe.",
)
SPARSE_SOUP = _average(
    id="sparse_soup",
    label="Sparse soup",
    summary="Average models retrained from one pruned parent, so that what is pruned stays pruned.",
    idea="Models that share their zeros can be averaged without filling them, so the mean is as "
    "sparse as they are.",
    formula="θ = m ⊙ Σ w·θᵢ / Σ w",
    source=Source("Zimmer et al. 2024, Sparse model soups", "2306.16788"),
    merge=sparse_soup,
    params=(TARGET,),
    scope=lambda settings: "tensor",
    holds=lambda settings: "it compares the zeros of whole tensors",
    weighted=True,
    unit={"sparsity": 0.0},
    check=check_sum_always,
    differs="The authors copy the mask of the last model; here the zeros of matrices are "
    "compared, and where they differ the merge is refused unless the mean is pruned again.",
)
WISE_FT = MethodSpec(
    id="wise_ft",
    label="WiSE-FT",
    family="Averages",
    summary="Stand between the base and one expert: robustness of one, skill of the other.",
    idea="Points between the two often do better than either end when the data shift.",
    formula="θ = (1 - λ)·θ₀ + λ·θ₁",
    source=Source("Wortsman et al. 2022, Robust fine-tuning of zero-shot models", "2109.01903"),
    merge=interpolate,
    params=(
        replace(
            SCALE,
            label="Position λ",
            default=0.5,
            origin="Wortsman et al. 2022: 0.5 without validation data",
            help="0 is the base, 1 the expert.",
            minimum=0.0,
            maximum=1.0,
            slider=(0.0, 1.0),
        ),
    ),
    needs=Needs(experts=1, most=1),
    weighted=False,
    homogeneous=True,
    idempotent=True,
    unit={"scale": 1.0},
)
