"""Git Re-Basin: permute the hidden units of one model to match another's, then average."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.errors import CompatibilityError, ParameterError
from merging.methods.context import Merged, Models
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source

SWEEPS = 100
LEAST_GAIN = 1e-12
State = Mapping[str, Tensor]
GROUPS = Param(
    name="groups",
    label="Groups of axes",
    default="",
    origin="ours: the hidden units of every feed-forward block are found by name",
    help="Axes that are permuted together, as tensor:axis with blanks between, groups separated "
    "by semicolons; empty for the feed-forward blocks of a transformer.",
    advanced=True,
)
# (writes the hidden units along axis 0), (reads them along axis 1)
_BLOCKS = (
    (r"(.*)\bfc1\.weight$", ("fc1.weight:0", "fc1.bias:0"), "fc2.weight:1"),
    (r"(.*)\bintermediate\.dense\.weight$", ("intermediate.dense.weight:0",
     "intermediate.dense.bias:0"), "output.dense.weight:1"),
    (r"(.*)\bup_proj\.weight$", ("up_proj.weight:0", "gate_proj.weight:0"), "down_proj.weight:1"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Axes of tensors that are permuted together; its name is its first tensor's."""

    axes: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        """Name of the first tensor."""
        return self.axes[0][0]


def read_groups(text: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Group, ...]:
    """Read groups of axes, or find the feed-forward blocks where the text is empty.

    Raises:
        ParameterError: A group is not tensor:axis, or names what is not there.
        CompatibilityError: Axes of a group differ in length, or none is found.
    """
    if text.strip():
        groups = tuple(_read_group(part, shapes) for part in text.split(";") if part.strip())
    else:
        groups = _feed_forward(shapes)
    for group in groups:
        lengths = {shapes[name][axis] for name, axis in group.axes}
        if len(lengths) > 1:
            raise CompatibilityError(
                f"The axes of group {group.name!r} have lengths {sorted(lengths)}. "
                "Only axes over the same units belong together."
            )
    if not groups:
        raise CompatibilityError(
            "No feed-forward block was found by name. Say in groups which axes belong together, "
            "for example 0.weight:0 0.bias:0 2.weight:1"
        )
    return groups


def _read_group(text: str, shapes: Mapping[str, tuple[int, ...]]) -> Group:
    axes = []
    for part in text.split():
        name, _, axis = part.rpartition(":")
        if name not in shapes or not axis.isdigit() or int(axis) >= len(shapes[name]):
            raise ParameterError(f"groups: {part!r:.80} names no axis of a tensor that is merged.")
        axes.append((name, int(axis)))
    return Group(tuple(axes))


def _feed_forward(shapes: Mapping[str, tuple[int, ...]]) -> tuple[Group, ...]:
    found = []
    for name in shapes:
        for pattern, written, reads in _BLOCKS:
            match = re.match(pattern, name)
            if match is None or match[1] + reads.rpartition(":")[0] not in shapes:
                continue
            parts = [p for p in (*written, reads) if match[1] + p.rpartition(":")[0] in shapes]
            found.append(_read_group(" ".join(match[1] + p for p in parts), shapes))
    return tuple(found)


def similarity(group: Group, one: State, other: State) -> Tensor:
    """Return inner products of the weights of every pair of units, shape (units, units).

    Args:
        group: Axes over the units.
        one: Model A.
        other: Model B, already permuted along the other groups.
    """
    size = one[group.axes[0][0]].shape[group.axes[0][1]]
    total = torch.zeros(size, size, dtype=torch.float64)
    for name, axis in group.axes:
        a, b = (m[name].double().movedim(axis, 0).reshape(size, -1).cpu() for m in (one, other))
        total += a @ b.T
    return total


def permuted(
    state: State, groups: tuple[Group, ...], orders: Mapping[str, Tensor], without: str = ""
) -> dict[str, Tensor]:
    """Return a model with its units reordered in every group but one."""
    done = dict(state)
    for group in groups:
        if group.name == without:
            continue
        for name, axis in group.axes:
            done[name] = done[name].index_select(axis, orders[group.name].to(done[name].device))
    return done


def match_weights(one: State, other: State, groups: tuple[Group, ...]) -> dict[str, Tensor]:
    """Find the order of the other model's units that is most like the first model's.

    Groups are visited in turn until none improves, or 100 times.

    Returns:
        Per group the order for ``index_select``.

    Source:
        Ainsworth et al. 2022, arXiv:2209.04836, weight matching.
    """
    from scipy.optimize import linear_sum_assignment  # costs every start a quarter of a second

    orders = {g.name: torch.arange(one[g.axes[0][0]].shape[g.axes[0][1]]) for g in groups}
    for _ in range(SWEEPS):
        improved = False
        for group in groups:
            gains = similarity(group, one, permuted(other, groups, orders, without=group.name))
            rows = torch.arange(len(gains))
            _, chosen = linear_sum_assignment(gains.numpy(), maximize=True)
            order = torch.from_numpy(chosen)
            gain = gains[rows, order].sum() - gains[rows, orders[group.name]].sum()
            if float(gain) > LEAST_GAIN:
                orders[group.name], improved = order, True
        if not improved:
            break
    return orders


def _aligned(models: Models) -> tuple[State, State, tuple[Group, ...], dict[str, Tensor]]:
    models.tell(0.0, "read both models")
    one, other = ({n: models.weights(i, n) for n in models.names} for i in (0, 1))
    shapes = {n: tuple(t.shape) for n, t in one.items()}
    groups = read_groups(models.settings.word("groups"), shapes)
    models.tell(0.2, "match hidden units")
    return one, other, groups, match_weights(one, other, groups)


def rebasin(models: Models) -> Merged:
    """Average two models after aligning the second one's hidden units to the first's."""
    one, other, groups, orders = _aligned(models)
    moved = permuted(other, groups, orders)
    changed = sum(int((o != torch.arange(len(o))).sum()) for o in orders.values())
    note = f"averaged after moving {changed} hidden units of {models.experts[1]}"
    return Merged(
        {n: (one[n] + moved[n]) / 2 for n in models.names}, notes=dict.fromkeys(models.names, note)
    )


RATIO = Param(
    name="ratio",
    label="Kept separate ρ",
    default=0.5,
    origin="ours: halfway; the paper chooses it by a budget of compute",
    help="Share of the hidden units that is not merged: 0 merges all, 1 puts both side by side.",
    minimum=0.0,
    maximum=1.0,
    symbol="ρ",
)


def pleas(models: Models) -> Merged:
    """Merge the hidden units that match well and keep the others of both models side by side.

    Along an axis of a group stand first the merged units, then the first model's own, then the
    second's. Tensors without a group come from the first model where they have one axis.

    Source:
        Nasery et al. 2024, arXiv:2407.02447, steps 1 and 2; without the layer-wise refit.
    """
    one, other, groups, orders = _aligned(models)
    ratio = models.settings.number("ratio")
    moved = permuted(other, groups, orders)
    shared = {}
    for group in groups:
        fit = similarity(group, one, moved).diagonal()
        shared[group.name] = fit >= fit.quantile(ratio) if ratio < 1 else torch.zeros_like(fit) > 0
    axes: dict[str, dict[int, Tensor]] = {name: {} for name in models.names}
    for group in groups:
        for name, axis in group.axes:
            axes[name][axis] = shared[group.name]
    tensors = {n: _widened(one[n], moved[n], axes[n]) for n in models.names}
    widths = {int((2 - s.long()).sum()) for s in shared.values()}
    config: dict[str, object] = {}
    if not models.settings.word("groups").strip() and len(widths) == 1:
        config["intermediate_size"] = widths.pop()
    return Merged(tensors, config=config)


def _widened(one: Tensor, other: Tensor, axes: Mapping[int, Tensor]) -> Tensor:
    if not axes:
        return one if one.dim() == 1 else (one + other) / 2
    if len(axes) == 1 and 0 in axes:
        both, own = _split(axes[0])
        return torch.cat([(one[both] + other[both]) / 2, one[own], other[own]])
    if one.dim() < 2 or not set(axes) <= {0, 1}:
        raise CompatibilityError("PLeaS widens the first two axes of a tensor only.")
    everything = torch.ones(one.shape[0], dtype=torch.bool)
    rows, own_rows = _split(axes.get(0, everything))
    columns, own = _split(axes[1])
    mean, part = (one + other) / 2, 2 if 0 in axes else 1
    top = [mean[rows][:, columns], one[rows][:, own] / part, other[rows][:, own] / part]
    blank = torch.zeros_like(one[own_rows][:, own])
    middle = [one[own_rows][:, columns], one[own_rows][:, own], blank]
    bottom = [other[own_rows][:, columns], blank, other[own_rows][:, own]]
    return torch.cat([torch.cat(row, 1) for row in (top, middle, bottom)])


def _split(shared: Tensor) -> tuple[Tensor, Tensor]:
    return shared.nonzero().flatten(), (~shared).nonzero().flatten()


REBASIN = MethodSpec(
    id="git_rebasin",
    label="Git Re-Basin",
    family="Aligned",
    summary="Reorder one model's hidden units to match the other's, then average both.",
    formula="θ = (θ₁ + π(θ₂)) / 2,  π = argmax ⟨θ₁, π(θ₂)⟩",
    source=Source("Ainsworth et al. 2022, Git Re-Basin", "2209.04836"),
    whole=rebasin,
    params=(GROUPS,),
    needs=Needs(base=False, experts=2, most=2),
    scope=lambda settings: "model",
    weighted=False,
    symmetric=False,
    idempotent=True,
    cost="an assignment problem per group of hidden units, several times",
    differs="The order in which groups are visited decides which local optimum is found; the "
    "authors draw it at random, here it is the order of the model.",
)
PLEAS = replace(
    REBASIN,
    id="pleas",
    label="PLeaS",
    summary="Align two models, merge the units that match and keep the rest of both, wider.",
    formula="[merged | only θ₁ | only θ₂] along every hidden axis",
    source=Source("Nasery et al. 2024, PLeaS", "2407.02447"),
    whole=pleas,
    params=(RATIO, GROUPS),
    idempotent=False,
    differs="The last step of the paper, refitting each layer on data, is not done. As in "
    "the authors' code, vectors outside every group come from the first model, and a layer whose "
    "outputs have no group reads both models' own units in full, not halved.",
)
