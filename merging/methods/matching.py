"""Weight matching: the order of one model's units that is most like another model's."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from merging.methods.symmetries import Axis, Group

SWEEPS = 100
LEAST_GAIN = 1e-12
State = Mapping[str, Tensor]
Orders = Mapping[Axis, Tensor]


def permuted(state: State, orders: Orders) -> dict[str, Tensor]:
    """Return a model with its axes reordered.

    Args:
        state: Tensors by name.
        orders: Per (tensor, axis) where each place comes from, as for ``index_select``.
    """
    done = dict(state)
    for (name, axis), order in orders.items():
        done[name] = done[name].index_select(axis, order.to(done[name].device))
    return done


def similarity(axes: Sequence[Axis], one: State, other: State, orders: Orders) -> Tensor:
    """Return inner products of the weights at every pair of places, shape (places, places).

    A tensor that has two of these axes does not count: its part would not be linear in the order.

    Args:
        axes: Of equal length.
        one: Model A.
        other: Model B as it is; it is looked at in the given orders along all other axes.
        orders: The orders so far.
    """
    name, axis = axes[0]
    size = one[name].shape[axis]
    total = torch.zeros(size, size, dtype=torch.float64)
    names = [name for name, _ in axes]
    for name, axis in axes:
        if names.count(name) > 1:
            continue
        rest = {a: o for a, o in orders.items() if a[0] == name and a[1] != axis}
        moved = permuted({name: other[name]}, rest)[name]
        a, b = (t.double().movedim(axis, 0).reshape(size, -1).cpu() for t in (one[name], moved))
        total += a @ b.T
    return total


def best_orders(group: Group, gains: Sequence[Tensor]) -> list[Tensor]:
    """Return the order of each strand's places with the largest sum of gains.

    Places inside free blocks are assigned for every pair of blocks, then the blocks.

    Args:
        group: Whose units are ordered.
        gains: Per strand what it gives to put place j at i, shape (places, places), float64.
    """
    total = torch.zeros(group.blocks, group.blocks, dtype=torch.float64)
    inner: list[Tensor] = []
    for strand, gain in zip(group.strands, gains, strict=True):
        worth, places = _blocks(gain, group.blocks, strand.free)
        total += worth
        inner.append(places)
    chosen = _assign(total)
    rows = torch.arange(group.blocks)
    return [(chosen[:, None] * p.shape[2] + p[rows, chosen]).flatten() for p in inner]


def _blocks(gain: Tensor, count: int, free: bool) -> tuple[Tensor, Tensor]:
    """Gain of putting block j at i, (count, count), and the places, (count, count, size)."""
    size = len(gain) // count
    pairs = gain.reshape(count, size, count, size).movedim(2, 1)
    places = torch.arange(size).expand(count, count, size).clone()
    if free and size > 1:
        for i in range(count):
            for j in range(count):
                places[i, j] = _assign(pairs[i, j])
    return pairs.gather(3, places[..., None]).sum((2, 3)), places


def _assign(gains: Tensor) -> Tensor:
    """The Hungarian method: for every row a column of its own with the largest sum."""
    from scipy.optimize import linear_sum_assignment  # costs every start a quarter of a second

    return torch.from_numpy(linear_sum_assignment(gains.numpy(), maximize=True)[1])


def match_weights(
    one: State,
    other: State,
    groups: Sequence[Group],
    seed: int = 0,
    tell: Callable[[float, str], None] = lambda fraction, message: None,
) -> dict[Axis, Tensor]:
    """Find the order of the other model's units that is most like the first model's.

    Groups are visited in an order drawn anew for every sweep, until a sweep improves none, or 100
    sweeps. A group keeps its order unless another is better by more than 1e-12 of its worth: equal
    ones are never exchanged.

    Args:
        one: Model A.
        other: Model B, with the same names and shapes.
        groups: What may move.
        seed: Of the order of visits.
        tell: Called before every visit; it may raise ``Cancelled``.

    Returns:
        Per axis the order for ``permuted``.

    Source:
        Ainsworth et al. 2022, arXiv:2209.04836, algorithm 1.
    """
    orders = {
        axis: torch.arange(one[axis[0]].shape[axis[1]])
        for group in groups
        for strand in group.strands
        for axis in strand.axes
    }
    source = torch.Generator().manual_seed(seed)
    for sweep in range(SWEEPS):
        improved = False
        for visit, at in enumerate(torch.randperm(len(groups), generator=source).tolist()):
            tell(1 - 0.8 ** (sweep + visit / len(groups)), f"match, sweep {sweep + 1}")
            improved |= _improve(groups[at], one, other, orders)
        if not improved:
            break
    return orders


def _improve(group: Group, one: State, other: State, orders: dict[Axis, Tensor]) -> bool:
    """Reorder one group where that is better; return whether it was."""
    gains = [similarity(s.axes, one, other, orders) for s in group.strands]
    found = best_orders(group, gains)
    now = [orders[s.axes[0]] for s in group.strands]
    after, before = _worth(gains, found), _worth(gains, now)
    if after - before <= LEAST_GAIN * max(1.0, abs(before)):
        return False
    for strand, order in zip(group.strands, found, strict=True):
        orders |= dict.fromkeys(strand.axes, order)
    return True


def _worth(gains: Sequence[Tensor], orders: Sequence[Tensor]) -> float:
    return sum(float(g.gather(1, o[:, None]).sum()) for g, o in zip(gains, orders, strict=True))
