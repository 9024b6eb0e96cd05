"""Git Re-Basin and PLeaS: reorder the units of one model to match another's, then merge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from merging.errors import CompatibilityError, ParameterError
from merging.methods.context import Merged, Models
from merging.methods.matching import Orders, State, match_weights, permuted, similarity
from merging.methods.params import Param
from merging.methods.spec import MethodSpec, Needs, Source
from merging.methods.symmetries import Axis, Group, Shapes, Symmetries, find_symmetries, plain_group

GROUPS = Param(
    name="groups",
    label="Groups of axes",
    default="",
    origin="ours: residual stream, heads and hidden units as declared for the architecture",
    help="Axes that are permuted together, as tensor:axis with blanks between, groups separated "
    "by semicolons; empty for what is known of the architecture.",
    advanced=True,
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


def read_groups(text: str, shapes: Shapes) -> tuple[Group, ...]:
    """Read groups of axes.

    Raises:
        ParameterError: A group is not tensor:axis, names what is not there, or an axis is in two.
        CompatibilityError: Axes of a group differ in length.
    """
    groups = tuple(_read_group(part, shapes) for part in text.split(";") if part.strip())
    axes = [axis for group in groups for axis in group.strands[0].axes]
    twice = next((axis for axis in axes if axes.count(axis) > 1), None)
    if twice is not None:
        raise ParameterError(f"groups: {twice[0]}:{twice[1]} is named twice. Keep one of them.")
    return groups


def _read_group(text: str, shapes: Shapes) -> Group:
    axes = []
    for part in text.split():
        name, _, axis = part.rpartition(":")
        if name not in shapes or not axis.isdecimal() or int(axis) >= len(shapes[name]):
            raise ParameterError(f"groups: {part!r:.80} names no axis of a tensor that is merged.")
        axes.append((name, int(axis)))
    return plain_group(tuple(axes), shapes)


@dataclass(frozen=True, slots=True)
class _Aligned:
    """Two models, the second one in the coordinates of the first."""

    one: State
    moved: State
    symmetries: Symmetries
    orders: Orders
    note: str


def _aligned(models: Models) -> _Aligned:
    models.tell(0.0, "read both models")
    one, other = ({n: models.weights(i, n) for n in models.names} for i in (0, 1))
    shapes = {n: tuple(t.shape) for n, t in one.items()}
    text = models.settings.word("groups")
    if text.strip():
        found = Symmetries("groups as given", read_groups(text, shapes))
    else:
        found = find_symmetries(shapes, models.config)
    orders = match_weights(
        one, other, found.groups, models.seed, lambda done, word: models.tell(0.9 * done, word)
    )
    note = f"{models.experts[1]} aligned to {models.experts[0]} ({found.architecture}): "
    note += ", ".join(_moves(found.groups, orders)) + (
        f"; {found.missing}" if found.missing else ""
    )
    return _Aligned(one, permuted(other, orders), found, orders, note)


def _moves(groups: tuple[Group, ...], orders: Orders) -> list[str]:
    """How many units of each kind changed their place, in words."""
    words = {"stream": "channels of the stream", "heads": "heads", "hidden": "hidden units"}
    told = []
    for kind, word in words.items():
        moved = total = 0
        for group in groups:
            if group.kind == kind:
                order = orders[group.strands[0].axes[0]]
                size = len(order) // group.blocks
                at = order.reshape(group.blocks, size)[:, 0] // size
                moved += int((at != torch.arange(group.blocks)).sum())
                total += group.blocks
        if total:
            told.append(f"{moved} of {total} {word} moved")
    return told


def rebasin(models: Models) -> Merged:
    """Average two models after aligning the second one's units to the first's.

    The first model keeps its coordinates: what reads its features reads the merged model too.
    """
    done = _aligned(models)
    tensors = {n: (done.one[n] + done.moved[n]) / 2 for n in models.names}
    return Merged(tensors, notes=dict.fromkeys(models.names, done.note))


def pleas(models: Models) -> Merged:
    """Merge the hidden units that match well and keep the others of both models side by side.

    Along an axis of hidden units stand first the merged ones, then the first model's own, then the
    second's. The residual stream and heads keep their width and are merged whole, since shortcuts
    and the size of a head fix it. Tensors without a group come from the first model where they
    have one axis.

    Source:
        Nasery et al. 2024, arXiv:2407.02447, steps 1 and 2; without the layer-wise refit.
    """
    done = _aligned(models)
    ratio = models.settings.number("ratio")
    wide: dict[str, dict[int, Tensor]] = {name: {} for name in models.names}
    whole: set[Axis] = set()
    widths = set()
    for group in done.symmetries.groups:
        if group.kind != "hidden":
            whole |= {axis for strand in group.strands for axis in strand.axes}
            continue
        shared = _best_matched(group, done, ratio)
        widths.add(int((2 - shared.long()).sum()))
        for name, axis in group.strands[0].axes:
            wide[name][axis] = shared
    merged = {name for name, _ in whole}
    tensors = {}
    for name in models.names:
        one, moved = done.one[name], done.moved[name]
        if not wide[name]:
            tensors[name] = one if one.dim() == 1 and name not in merged else (one + moved) / 2
        else:
            tensors[name] = _widened(one, moved, wide[name], (name, 0) in whole)
    config: dict[str, object] = {}
    if done.symmetries.width and len(widths) == 1:
        config[done.symmetries.width] = widths.pop()
    return Merged(tensors, config=config, notes=dict.fromkeys(models.names, done.note))


def _best_matched(group: Group, done: _Aligned, ratio: float) -> Tensor:
    """Which units are merged: the most similar ones, of equal ones those that stand first."""
    if ratio >= 1:
        return torch.zeros(group.blocks, dtype=torch.bool)
    fit = similarity(group.strands[0].axes, done.one, done.moved, {}).diagonal()
    apart = -int(-(ratio * (group.blocks - 1) - 1e-9) // 1)  # rounded up
    best = torch.argsort(-fit, stable=True)[: group.blocks - max(apart, 0)]
    return torch.zeros(group.blocks, dtype=torch.bool).index_fill(0, best, True)


def _widened(one: Tensor, other: Tensor, axes: Mapping[int, Tensor], halved: bool) -> Tensor:
    """Put merged, own and other units side by side; ``halved``: rows are merged of both models."""
    if set(axes) == {0}:
        both, own = _split(axes[0])
        return torch.cat([(one[both] + other[both]) / 2, one[own], other[own]])
    if one.dim() < 2 or not set(axes) <= {0, 1}:
        raise CompatibilityError("PLeaS widens the first two axes of a tensor only.")
    everything = torch.ones(one.shape[0], dtype=torch.bool)
    rows, own_rows = _split(axes.get(0, everything))
    columns, own = _split(axes[1])
    mean, part = (one + other) / 2, 2 if halved or 0 in axes else 1
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
    summary="Reorder one model's units to match the other's, then average both.",
    idea="Renumbering its units does not change a network; once they match, models from other "
    "first weights can be averaged.",
    formula="θ = (θ₁ + π(θ₂)) / 2,  π = argmax ⟨θ₁, π(θ₂)⟩",
    source=Source("Ainsworth et al. 2022, Git Re-Basin", "2209.04836"),
    whole=rebasin,
    params=(GROUPS,),
    needs=Needs(base=False, experts=2, most=2),
    scope=lambda settings: "model",
    weighted=False,
    random=True,
    symmetric=False,
    order="The second expert is aligned to the first.",
    idempotent=True,
    cost="an assignment problem per group of units, several times",
    differs="The order in which groups are visited decides which local optimum is found; here it "
    "is drawn from the seed. The authors align convolutional networks and MLPs; residual stream "
    "and heads of transformers are ours, and inside a head places are assigned as well.",
)
PLEAS = replace(
    REBASIN,
    id="pleas",
    label="PLeaS",
    summary="Align two models, merge the units that match and keep the rest of both, wider.",
    idea="Units that match share their weights; the others are kept from both, for a wider model "
    "that loses less.",
    formula="[merged | only θ₁ | only θ₂] along every hidden axis",
    source=Source("Nasery et al. 2024, PLeaS", "2407.02447"),
    whole=pleas,
    params=(RATIO, GROUPS),
    idempotent=False,
    differs="The last step of the paper, refitting each layer on data, is not done. Residual "
    "stream and heads of a transformer are merged whole; only hidden units widen. As in the "
    "authors' code, vectors outside every group come from the first model, and a layer whose "
    "outputs have no group reads both models' own units in full, not halved.",
)
