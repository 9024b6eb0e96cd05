"""What a preview does to every sampled delta, in one pass: compiled, a tile of columns at a time.

Of each part and tile: which deltas survive, how many and with which signs, what the survivors
become, who wins where signs meet, and sums of all that. Tiles stay in the processor's nearest
memory, so that every delta is fetched once. Signs, votes and the merged delta are made in the
order of ``merging.methods.kernels``; sums of a tile may be added in any order.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from merging.methods.compiled import compiled, summed

Floats = NDArray[np.float32]
Table = NDArray[np.float64]
Counts = NDArray[np.int64]
Words = NDArray[np.int32]
Signs = NDArray[np.int8]

TILE = 2048
ADD, BY_SUM, BY_COUNT = 0, 1, 2
SUM, MEAN, WEIGHTED_MEAN, LARGEST = 0, 1, 2, 3
_ZERO, _ONE = np.float32(0), np.float32(1)
_OTHER = 1 << 16
_SIZE, _EVERY = np.int32(0x7FFFFFFF), np.int32(-1)


class Held(NamedTuple):
    """The sampled deltas.

    Attributes:
        deltas: Of one expert after the other, shape (experts * columns,).
        words: Their bit patterns.
        bits: Hash bits at the same places; empty where none are asked for.
        starts, stops: First column of every part and the one after its last, shape (parts,).
    """

    deltas: Floats
    words: Words
    bits: Words
    starts: Counts
    stops: Counts


class Survival(NamedTuple):
    """What survives, and how it is made up for what does not.

    Attributes:
        hashed: Whether the hash bits decide rather than the size, shape (experts,).
        low: Smallest hash bits, or bit pattern of the smallest size, that survive in the columns
            of a part before ``place``; shape (experts, parts).
        high: The same from ``place`` on.
        place: A column of the part, shape (experts, parts).
        factors: What survivors are multiplied by, shape (experts, parts).
        lengths: Restore L1 norms instead.
        floor: Norms below it are not restored.
    """

    hashed: NDArray[np.bool_]
    low: Words
    high: Words
    place: Counts
    factors: Floats
    lengths: bool
    floor: float


class Consensus(NamedTuple):
    """How survivors become one change.

    Attributes:
        weights: Shape (experts,).
        votes: Sign with which each expert's changes meet the others', 0 without a say, (experts,).
        election: ``ADD`` (nobody is elected, all is added), ``BY_SUM`` or ``BY_COUNT``.
        weighted: Weights act in the vote, too.
        combine: ``SUM``, ``MEAN``, ``WEIGHTED_MEAN`` or ``LARGEST``.
        scale: What the result is multiplied by, shape (parts,).
        ties: Sign of votes that cancel, shape (parts,).
    """

    weights: Floats
    votes: Floats
    election: int
    weighted: bool
    combine: int
    scale: Floats
    ties: Floats


class Sums(NamedTuple):
    """Counts and sums by part over its columns.

    Attributes:
        survivors: Columns kept by 0, 1, ..., n experts that have a say, (parts, experts + 1).
        contested: Columns where kept changes of both signs meet, (parts,).
        kept: Changes that survive, of each expert, (parts, experts).
        balance: Columns that voted plus, less those that voted minus, (parts,).
        tied: Columns where survivors' votes cancel, (parts,).
        fought: Columns where somebody wins against somebody, (parts,).
        flips: Columns that change in the other direction than was pinned, (parts,).
        kept2, kept4: Second and fourth powers of what survives of each expert, before it is made
            up for what does not; (parts, experts).
        won, won2: Pull of each expert where it carries the merged sign and another does not, and
            its square; (parts, experts).
        won_all: Product of that with the pull of all winners, (parts, experts).
        all2: Square of the pull of all winners, (parts,).
        moved2, moved4: Second and fourth powers of the merged delta, (parts,).
    """

    survivors: Counts
    contested: Counts
    kept: Counts
    balance: Counts
    tied: Counts
    fought: Counts
    flips: Counts
    kept2: Table
    kept4: Table
    won: Table
    won2: Table
    won_all: Table
    all2: Table
    moved2: Table
    moved4: Table


@summed
def _powers(x: Floats) -> tuple[np.float32, np.float32]:
    """Sums of second and fourth powers."""
    second, fourth = _ZERO, _ZERO
    for j in range(len(x)):
        square = x[j] * x[j]
        second += square
        fourth += square * square
    return second, fourth


@summed
def _length(x: Floats) -> np.float32:
    """Sum of sizes."""
    found = _ZERO
    for j in range(len(x)):
        found += abs(x[j])
    return found


@summed
def _wins(
    pull: Floats, mask: Floats, together: Floats
) -> tuple[np.float32, np.float32, np.float32]:
    """Sums of what pulls forwards under a mask, of its square, and of its product with all."""
    own, square, product = _ZERO, _ZERO, _ZERO
    for j in range(len(pull)):
        win = (pull[j] if pull[j] > _ZERO else _ZERO) * mask[j]
        own += win
        square += win * win
        product += win * together[j]
    return own, square, product


@summed
def _equal(x: Floats, number: np.float32) -> np.int64:
    """How often a number is there."""
    found = _ZERO
    for j in range(len(x)):
        found += _ONE if x[j] == number else _ZERO
    return np.int64(found)


@summed
def _below(x: Floats, y: Signs) -> np.int64:
    """How often a product is negative."""
    found = _ZERO
    for j in range(len(x)):
        found += _ONE if x[j] * y[j] < _ZERO else _ZERO
    return np.int64(found)


@compiled
def _select(deltas: Floats, keys: Words, mask: np.int32, level: np.int32, out: Floats) -> None:
    for j in range(len(out)):
        out[j] = deltas[j] if keys[j] & mask >= level else _ZERO


@compiled
def _keep(
    held: Held,
    survival: Survival,
    part: int,
    at: int,
    width: int,
    first: int,
    last: int,
    kept: Floats,
) -> None:
    """Copy what survives of some experts from a column on; zero elsewhere."""
    columns = len(held.deltas) // len(survival.hashed)
    for e in range(first, last):
        begin, out = e * columns + at, kept[(e - first) * TILE : (e - first) * TILE + width]
        deltas, mask = held.deltas[begin : begin + width], _SIZE
        keys = held.words[begin : begin + width]
        if survival.hashed[e]:
            keys, mask = held.bits[begin : begin + width], _EVERY
        split = min(max(survival.place[e, part] - (at - held.starts[part]), 0), width)
        low, high = survival.low[e, part], survival.high[e, part]
        _select(deltas[:split], keys[:split], mask, low, out[:split])
        _select(deltas[split:], keys[split:], mask, high, out[split:])


@compiled
def _make_up(held: Held, survival: Survival, part: int, factors: Floats, room: Floats) -> None:
    """Find what each expert's survivors in a part are multiplied by."""
    columns = len(held.deltas) // len(factors)
    for e in range(len(factors)):
        factors[e] = survival.factors[e, part]
        if survival.lengths:
            left, full = np.float64(0), np.float64(0)
            for at in range(held.starts[part], held.stops[part], TILE):
                row = room[: min(TILE, held.stops[part] - at)]
                _keep(held, survival, part, at, len(row), e, e + 1, row)
                left += _length(row)
                full += _length(held.deltas[e * columns + at : e * columns + at + len(row)])
            usable = left >= survival.floor and full >= survival.floor
            factors[e] = full / left if usable else 1.0


@compiled
def _pull(kept: Floats, factors: Floats, weights: Floats, width: int, pull: Floats) -> None:
    """Make up for what was dropped, then weigh."""
    for e in range(len(factors)):
        row, own = pull[e * TILE : e * TILE + width], kept[e * TILE : e * TILE + width]
        factor, weight = factors[e], weights[e]
        for j in range(width):
            row[j] = own[j] * factor * weight


@compiled
def _count(kept: Floats, how: Consensus, part: int, ups: Floats, downs: Floats, out: Sums) -> None:
    """Count survivors of a tile, and at each column those on either side."""
    width, experts = len(ups), len(how.votes)
    ups[:] = _ZERO
    downs[:] = _ZERO
    for e in range(experts):
        row, vote = kept[e * TILE : e * TILE + width], how.votes[e]
        out.kept[part, e] += width - _equal(row, _ZERO)
        for j in range(width):
            turned = row[j] * vote
            ups[j] += _ONE if turned > _ZERO else _ZERO
            downs[j] += _ONE if turned < _ZERO else _ZERO
    left = np.int64(width)
    contested = np.int32(0)
    for j in range(width):
        contested += np.int32((ups[j] > _ZERO) & (downs[j] > _ZERO))
        ups[j] += downs[j]
    out.contested[part] += contested
    for m in range(1, experts + 1):
        number = _equal(ups, np.float32(m))
        out.survivors[part, m] += number
        left -= number
    out.survivors[part, 0] += left


@compiled
def _elect(
    voters: Floats, how: Consensus, part: int, present: Floats, signs: Floats, out: Sums
) -> None:
    """Elect signs by votes, and settle votes that cancel."""
    width = len(signs)
    signs[:] = _ZERO
    for e in range(len(how.weights)):
        row = voters[e * TILE : e * TILE + width]
        if how.election == BY_COUNT:
            for j in range(width):
                signs[j] += _ONE if row[j] > _ZERO else (-_ONE if row[j] < _ZERO else _ZERO)
        else:
            for j in range(width):
                signs[j] += row[j]
    tie, balance, tied = how.ties[part], np.int32(0), np.int32(0)
    for j in range(width):
        up, down = signs[j] > _ZERO, signs[j] < _ZERO
        balance += np.int32(up) - np.int32(down)
        tied += np.int32((signs[j] == _ZERO) & (present[j] > _ZERO))
        signs[j] = _ONE if up else (-_ONE if down else tie)
    out.balance[part] += balance
    out.tied[part] += tied


@compiled
def _merge(
    voters: Floats, how: Consensus, part: int, signs: Floats, share: Floats, merged: Floats
) -> None:
    """Combine the experts that carry the elected sign."""
    width = len(merged)
    merged[:] = _ZERO
    share[:] = _ZERO
    for e in range(len(how.weights)):
        row = voters[e * TILE : e * TILE + width]
        weight = _ONE if how.weighted else how.weights[e]
        step = _ZERO
        if how.combine == MEAN:
            step = _ONE
        elif how.combine == WEIGHTED_MEAN:
            step = how.weights[e]
        if how.combine == LARGEST:
            for j in range(width):
                value = row[j] * signs[j] * weight if row[j] * signs[j] > _ZERO else _ZERO
                merged[j] = value if abs(value) > abs(merged[j]) else merged[j]
        else:
            for j in range(width):
                agreeing = row[j] * signs[j]
                merged[j] += agreeing * weight if agreeing > _ZERO else _ZERO
                share[j] += step if agreeing > _ZERO else _ZERO
    scale = how.scale[part]
    for j in range(width):
        divisor = share[j] if share[j] != _ZERO else _ONE
        merged[j] = merged[j] * signs[j] / divisor * scale


@compiled
def _add(voters: Floats, how: Consensus, part: int, merged: Floats) -> None:
    """Add all experts."""
    width, scale = len(merged), how.scale[part]
    merged[:] = _ZERO
    for e in range(len(how.weights)):
        row = voters[e * TILE : e * TILE + width]
        for j in range(width):
            merged[j] += row[j]
    for j in range(width):
        merged[j] *= scale


@compiled
def _sum(
    kept: Floats,
    pull: Floats,
    merged: Floats,
    pinned: Signs,
    part: int,
    room: Floats,
    out: Sums,
) -> None:
    """Add the sums of a tile; ``pull`` is not kept."""
    width, experts = len(merged), out.kept.shape[1]
    together, lowest = room[:width], room[TILE : TILE + width]
    second, fourth = _powers(merged)
    out.moved2[part] += second
    out.moved4[part] += fourth
    if len(pinned):
        out.flips[part] += _below(merged, pinned)
    for j in range(width):
        merged[j] = _ONE if merged[j] > _ZERO else (-_ONE if merged[j] < _ZERO else _ZERO)
    together[:] = _ZERO
    lowest[:] = _ZERO
    for e in range(experts):
        row, own = pull[e * TILE : e * TILE + width], kept[e * TILE : e * TILE + width]
        for j in range(width):
            along = row[j] * merged[j]
            lowest[j] = along if along < lowest[j] else lowest[j]
            together[j] += along if along > _ZERO else _ZERO
            row[j] = along
        second, fourth = _powers(own)
        out.kept2[part, e] += second
        out.kept4[part, e] += fourth
    for j in range(width):
        mask = _ONE if (lowest[j] < _ZERO) & (together[j] > _ZERO) else _ZERO
        together[j] *= mask
        lowest[j] = mask
    out.fought[part] += width - _equal(lowest, _ZERO)
    out.all2[part] += _powers(together)[0]
    for e in range(experts):
        won, won2, won_all = _wins(pull[e * TILE : e * TILE + width], lowest, together)
        out.won[part, e] += won
        out.won2[part, e] += won2
        out.won_all[part, e] += won_all


@compiled
def work_out(
    parts: Counts,
    held: Held,
    survival: Survival,
    how: Consensus,
    pinned: Signs,
    merged: Floats,
    out: Sums,
) -> None:
    """Carry a recipe out on some parts.

    Args:
        parts: Which ones.
        held: The deltas.
        survival: What survives of them.
        how: What it becomes.
        pinned: Signs to compare with, shape (columns,), or empty.
        merged: Gets the merged delta, shape (columns,), or empty.
        out: Gets the sums; those of ``parts`` are 0.
    """
    experts = len(how.weights)
    kept, pull = np.empty(experts * TILE, np.float32), np.empty(experts * TILE, np.float32)
    rooms = np.empty(6 * TILE, np.float32)
    factors, ones = np.empty(experts, np.float32), np.ones(experts, np.float32)
    for part in parts:
        _make_up(held, survival, part, factors, rooms)
        for at in range(held.starts[part], held.stops[part], TILE):
            width = min(TILE, held.stops[part] - at)
            merge, signs = rooms[:width], rooms[TILE : TILE + width]
            present, share = rooms[2 * TILE : 2 * TILE + width], rooms[3 * TILE : 3 * TILE + width]
            _keep(held, survival, part, at, width, 0, experts, kept)
            _count(kept, how, part, present, share, out)
            _pull(kept, factors, how.weights if how.weighted else ones, width, pull)
            if how.election == ADD:
                _add(pull, how, part, merge)
            else:
                _elect(pull, how, part, present, signs, out)
                _merge(pull, how, part, signs, share, merge)
            if not how.weighted:
                _pull(pull, ones, how.weights, width, pull)
            if len(merged):
                merged[at : at + width] = merge
            _sum(kept, pull, merge, pinned[at : at + width], part, rooms[4 * TILE :], out)


@compiled
def add_up(
    part: int,
    deltas: Floats,
    made: Floats,
    merged: Floats,
    how: Consensus,
    pinned: Signs,
    out: Sums,
) -> None:
    """Add up what kernels did to a part.

    Args:
        part: Which one.
        deltas: Of one expert after the other, shape (experts * width,).
        made: What they became before they were merged, shape (experts * width,).
        merged: The merged delta, shape (width,).
        how: Weights and votes.
        pinned: Signs to compare with, shape (width,), or empty.
        out: Gets the sums; those of the part are 0.
    """
    experts, columns = len(how.weights), len(merged)
    kept, pull = np.empty(experts * TILE, np.float32), np.empty(experts * TILE, np.float32)
    rooms = np.empty(6 * TILE, np.float32)
    for at in range(0, columns, TILE):
        width = min(TILE, columns - at)
        result = rooms[:width]
        result[:] = merged[at : at + width]
        for e in range(experts):
            first, weight = e * columns + at, how.weights[e]
            row, own = pull[e * TILE : e * TILE + width], kept[e * TILE : e * TILE + width]
            held, left = deltas[first : first + width], made[first : first + width]
            for j in range(width):
                row[j] = left[j] * weight
                own[j] = held[j] if left[j] != _ZERO else _ZERO
        present, share = rooms[TILE : TILE + width], rooms[2 * TILE : 2 * TILE + width]
        _count(kept, how, part, present, share, out)
        _sum(kept, pull, result, pinned[at : at + width], part, rooms[4 * TILE :], out)
