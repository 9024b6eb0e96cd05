"""What a preview does to every sampled delta, in one pass: compiled, a tile of columns at a time.

Of each part and tile: which deltas survive, how many and with which signs, what the survivors
become, who wins where signs meet, and sums of all that. Tiles stay in the processor's nearest
memory, so that every delta is fetched once. Signs, votes and the merged delta are made in the
order of ``merging.methods.kernels``; sums of a tile may be added in any order.
"""

import numpy as np

from merging.methods.compiled import compiled, compiled_sum
from merging.sketch.tables import Consensus, Counts, Floats, Held, Signs, Sums, Survival, Words

TILE = 4096
ADD, BY_SUM, BY_COUNT = 0, 1, 2
SUM, MEAN, WEIGHTED_MEAN, LARGEST = 0, 1, 2, 3
_ZERO, _ONE = np.float32(0), np.float32(1)
_OTHER = 1 << 16
_SIZE, _EVERY = np.int32(0x7FFFFFFF), np.int32(-1)


@compiled_sum
def _powers(x: Floats) -> tuple[np.float32, np.float32, np.float32]:
    """How many numbers are not zero, and the sums of their second and fourth powers."""
    number, second, fourth = _ZERO, _ZERO, _ZERO
    for j in range(len(x)):
        square = x[j] * x[j]
        number += _ONE if x[j] != _ZERO else _ZERO
        second += square
        fourth += square * square
    return number, second, fourth


@compiled_sum
def _length(x: Floats) -> np.float32:
    """Sum of sizes."""
    found = _ZERO
    for j in range(len(x)):
        found += abs(x[j])
    return found


@compiled_sum
def _wins(
    made: Floats, factor: float, weight: float, signs: Floats, together: Floats
) -> tuple[np.float32, np.float32, np.float32]:
    """Sums of what pulls along with signs, of its square, and of its product with all."""
    own, square, product = _ZERO, _ZERO, _ZERO
    for j in range(len(made)):
        along = made[j] * factor * weight * signs[j]
        win = along if along > _ZERO else _ZERO
        own += win
        square += win * win
        product += win * together[j]
    return own, square, product


@compiled_sum
def _equal(x: Floats, number: np.float32) -> np.int64:
    """How often a number is there."""
    found = _ZERO
    for j in range(len(x)):
        found += _ONE if x[j] == number else _ZERO
    return np.int64(found)


@compiled_sum
def _below(x: Floats, y: Signs) -> np.int64:
    """How often a product is negative."""
    found = _ZERO
    for j in range(len(x)):
        found += _ONE if x[j] * np.float32(y[j]) < _ZERO else _ZERO
    return np.int64(found)


@compiled_sum
def _both(x: Floats, y: Floats) -> np.int64:
    """How often two numbers are both positive."""
    found = _ZERO
    for j in range(len(x)):
        found += _ONE if min(x[j], y[j]) > _ZERO else _ZERO
    return np.int64(found)


@compiled_sum
def _balance(x: Floats) -> np.int64:
    """Sum of signs."""
    found = _ZERO
    for j in range(len(x)):
        found += x[j]
    return np.int64(found)


@compiled
def _select(deltas: Floats, keys: Words, mask: np.int32, level: np.int32, out: Floats) -> None:
    """Copy the deltas whose key reaches a level; zero elsewhere."""
    for j in range(len(out)):
        out[j] = deltas[j] if keys[j] & mask >= level else _ZERO


@compiled
def _keep(held: Held, survival: Survival, part: int, expert: int, at: int, out: Floats) -> None:
    """Copy what survives of an expert from a column on; zero elsewhere."""
    begin = expert * (len(held.deltas) // len(survival.hashed)) + at
    end = begin + len(out)
    split = min(max(begin, begin + survival.place[expert, part] - (at - held.starts[part])), end)
    low, high = survival.low[expert, part], survival.high[expert, part]
    if survival.hashed[expert]:
        _select(held.deltas[begin:end], held.bits[begin:end], _EVERY, high, out)
    else:
        _select(held.deltas[split:end], held.words[split:end], _SIZE, high, out[split - begin :])
        if split > begin:
            last = split - begin
            _select(held.deltas[begin:split], held.words[begin:split], _SIZE, low, out[:last])


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
                _keep(held, survival, part, e, at, row)
                left += _length(row)
                full += _length(held.deltas[e * columns + at : e * columns + at + len(row)])
            usable = left >= survival.floor and full >= survival.floor
            factors[e] = full / left if usable else 1.0


@compiled
def _count(
    kept: Floats,
    factors: Floats,
    how: Consensus,
    part: int,
    ups: Floats,
    downs: Floats,
    total: Floats,
    out: Sums,
) -> None:
    """Count survivors and add votes of a tile; ``ups`` becomes how many have a say."""
    width, experts = len(ups), len(how.votes)
    ups[:] = _ZERO
    downs[:] = _ZERO
    total[:] = _ZERO
    for e in range(experts):
        row, side, factor = kept[e * TILE : e * TILE + width], how.votes[e], factors[e]
        weight = how.weights[e] if how.weighted else _ONE
        if how.election == BY_COUNT:
            for j in range(width):
                vote = row[j] * factor * weight
                total[j] += _ONE if vote > _ZERO else (-_ONE if vote < _ZERO else _ZERO)
                ups[j] += _ONE if row[j] * side > _ZERO else _ZERO
                downs[j] += _ONE if row[j] * side < _ZERO else _ZERO
        else:
            for j in range(width):
                total[j] += row[j] * factor * weight
                ups[j] += _ONE if row[j] * side > _ZERO else _ZERO
                downs[j] += _ONE if row[j] * side < _ZERO else _ZERO
    left = np.int64(width)
    out.contested[part] += _both(ups, downs)
    for j in range(width):
        ups[j] += downs[j]
    for m in range(1, experts + 1):
        number = _equal(ups, np.float32(m))
        out.survivors[part, m] += number
        left -= number
    out.survivors[part, 0] += left


@compiled
def _elect(how: Consensus, part: int, present: Floats, signs: Floats, out: Sums) -> None:
    """Turn sums of votes into signs, and settle votes that cancel."""
    width = len(signs)
    tie = how.ties[part]
    for j in range(width):
        present[j] = present[j] if signs[j] == _ZERO else _ZERO
        signs[j] = _ONE if signs[j] > _ZERO else (-_ONE if signs[j] < _ZERO else _ZERO)
    out.tied[part] += width - _equal(present, _ZERO)
    out.balance[part] += _balance(signs)
    for j in range(width):
        signs[j] = tie if signs[j] == _ZERO else signs[j]


@compiled
def _merge(
    kept: Floats,
    factors: Floats,
    how: Consensus,
    part: int,
    signs: Floats,
    share: Floats,
    merged: Floats,
) -> None:
    """Combine the experts that carry the elected sign."""
    width = len(merged)
    merged[:] = _ZERO
    share[:] = _ZERO
    for e in range(len(how.weights)):
        row, factor = kept[e * TILE : e * TILE + width], factors[e]
        before = how.weights[e] if how.weighted else _ONE
        after = _ONE if how.weighted else how.weights[e]
        step = _ZERO
        if how.combine == MEAN:
            step = _ONE
        elif how.combine == WEIGHTED_MEAN:
            step = how.weights[e]
        if how.combine == LARGEST:
            for j in range(width):
                agreeing = row[j] * factor * before * signs[j]
                value = agreeing * after if agreeing > _ZERO else _ZERO
                merged[j] = value if abs(value) > abs(merged[j]) else merged[j]
        else:
            for j in range(width):
                agreeing = row[j] * factor * before * signs[j]
                merged[j] += agreeing * after if agreeing > _ZERO else _ZERO
                share[j] += step if agreeing > _ZERO else _ZERO
    scale = how.scale[part]
    for j in range(width):
        divisor = share[j] if share[j] != _ZERO else _ONE
        merged[j] = merged[j] * signs[j] / divisor * scale


@compiled
def _sum(
    made: Floats,
    factors: Floats,
    how: Consensus,
    part: int,
    merged: Floats,
    pinned: Signs,
    room: Floats,
    out: Sums,
) -> None:
    """Add the sums of a tile; ``merged`` is not kept."""
    width, experts = len(merged), len(factors)
    together, lowest = room[:width], room[TILE : TILE + width]
    _, second, fourth = _powers(merged)
    out.moved2[part] += second
    out.moved4[part] += fourth
    if len(pinned):
        out.flips[part] += _below(merged, pinned)
    for j in range(width):
        merged[j] = _ONE if merged[j] > _ZERO else (-_ONE if merged[j] < _ZERO else _ZERO)
    together[:] = _ZERO
    lowest[:] = _ZERO
    for e in range(experts):
        row, factor, weight = made[e * TILE : e * TILE + width], factors[e], how.weights[e]
        for j in range(width):
            along = row[j] * factor * weight * merged[j]
            lowest[j] = along if along < lowest[j] else lowest[j]
            together[j] += along if along > _ZERO else _ZERO
    for j in range(width):
        fought = (lowest[j] < _ZERO) & (together[j] > _ZERO)
        merged[j] = merged[j] if fought else _ZERO
        together[j] = together[j] if fought else _ZERO
    out.fought[part] += width - _equal(merged, _ZERO)
    out.all2[part] += _powers(together)[1]
    for e in range(experts):
        row = made[e * TILE : e * TILE + width]
        won, won2, won_all = _wins(row, factors[e], how.weights[e], merged, together)
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
    kept, rooms = np.empty(experts * TILE, np.float32), np.empty(6 * TILE, np.float32)
    factors = np.empty(experts, np.float32)
    for part in parts:
        _make_up(held, survival, part, factors, rooms)
        for at in range(held.starts[part], held.stops[part], TILE):
            width = min(TILE, held.stops[part] - at)
            merge, signs = rooms[:width], rooms[TILE : TILE + width]
            present, share = rooms[2 * TILE : 2 * TILE + width], rooms[3 * TILE : 3 * TILE + width]
            for e in range(experts):
                row = kept[e * TILE : e * TILE + width]
                _keep(held, survival, part, e, at, row)
                number, second, fourth = _powers(row)
                out.kept[part, e] += np.int64(number)
                out.kept2[part, e] += second
                out.kept4[part, e] += fourth
            _count(kept, factors, how, part, present, share, signs, out)
            if how.election == ADD:
                for j in range(width):
                    merge[j] = signs[j] * how.scale[part]
            else:
                _elect(how, part, present, signs, out)
                _merge(kept, factors, how, part, signs, share, merge)
            if len(merged):
                merged[at : at + width] = merge
            signed = pinned[at : at + width]
            _sum(kept, factors, how, part, merge, signed, rooms[4 * TILE :], out)


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
    kept, left = np.empty(experts * TILE, np.float32), np.empty(experts * TILE, np.float32)
    rooms, ones = np.empty(6 * TILE, np.float32), np.ones(experts, np.float32)
    for at in range(0, columns, TILE):
        width = min(TILE, columns - at)
        merge, present = rooms[:width], rooms[TILE : TILE + width]
        merge[:] = merged[at : at + width]
        for e in range(experts):
            first = e * columns + at
            row, own = left[e * TILE : e * TILE + width], kept[e * TILE : e * TILE + width]
            row[:] = made[first : first + width]
            own[:] = deltas[first : first + width]
            for j in range(width):
                own[j] = own[j] if row[j] != _ZERO else _ZERO
            number, second, fourth = _powers(own)
            out.kept[part, e] += np.int64(number)
            out.kept2[part, e] += second
            out.kept4[part, e] += fourth
        downs, total = rooms[2 * TILE : 2 * TILE + width], rooms[3 * TILE : 3 * TILE + width]
        _count(kept, ones, how, part, present, downs, total, out)
        signed = pinned[at : at + width]
        _sum(left, ones, how, part, merge, signed, rooms[4 * TILE :], out)


@compiled
def make(parts: Counts, held: Held, survival: Survival, out: Floats) -> None:
    """Copy what survives of some parts, made up for what does not; zero elsewhere.

    Args:
        parts: Which ones.
        held: The deltas.
        survival: What survives of them.
        out: Gets it, one expert after the other, shape (experts * columns of the parts,).
    """
    experts, reached = len(survival.hashed), 0
    factors, room = np.empty(experts, np.float32), np.empty(TILE, np.float32)
    for part in parts:
        width = held.stops[part] - held.starts[part]
        _make_up(held, survival, part, factors, room)
        for e in range(experts):
            begin = e * (len(out) // experts) + reached
            row, factor = out[begin : begin + width], factors[e]
            _keep(held, survival, part, e, held.starts[part], row)
            for j in range(width):
                row[j] *= factor
        reached += width
