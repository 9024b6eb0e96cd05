"""The order of a sweep's points: coarse to fine, so that any beginning of it shows the whole."""

from itertools import product


def levels(count: int) -> tuple[int, ...]:
    """Return for each place of an axis when it is visited: ends and middle 0, then halves 1, 2 ...

    Args:
        count: Places, at least 1.

    Example:
        >>> levels(9)
        (0, 2, 1, 2, 0, 2, 1, 2, 0)
    """
    found = [0] * count
    spans, level = [(0, count - 1)], 0
    while spans := [span for span in spans if span[1] - span[0] > 1]:
        middles = [(a, (a + b) // 2, b) for a, b in spans]
        for _, middle, _ in middles:
            found[middle] = level
        spans = [span for a, m, b in middles for span in ((a, m), (m, b))]
        level += 1
    return tuple(found)


def coarse_to_fine(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all places of a grid, each once.

    A coarse lattice of the ends and middles of all axes comes first, then the lattice of halves,
    and so on; within a lattice the places that more of the coarser ones share come first, then
    from low to high.

    Args:
        shape: Places of each axis, each at least 1.

    Example:
        >>> coarse_to_fine((5,))
        ((0,), (2,), (4,), (1,), (3,))
    """
    levels_of = [levels(count) for count in shape]

    def rank(place: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
        visited = [known[i] for known, i in zip(levels_of, place, strict=True)]
        return max(visited), sum(visited), place

    return tuple(sorted(product(*map(range, shape)), key=rank))
