"""Which coordinates a sketch holds: a fixed-seed sample of every bucket, tensor by tensor."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from merging.checkpoints.buckets import Bucket, bucket_of

Indices = NDArray[np.int64]

WHOLE = 32_768
SAMPLED = 16_384
LARGE = 0.04
QUICK_FROM = 1_048_576
BLOCKS, BLOCK = 32, 8_192


@dataclass(frozen=True, slots=True)
class Part:
    """What a sketch holds of one tensor: a run of its columns.

    Attributes:
        tensor: Name.
        shape: Of the tensor.
        count: Elements of the tensor.
        sampled: How many of them the sketch holds.
        start: First column.
    """

    tensor: str
    shape: tuple[int, ...]
    count: int
    sampled: int
    start: int

    @property
    def stop(self) -> int:
        """The column after the last."""
        return self.start + self.sampled

    @property
    def whole(self) -> bool:
        """Every element is held, in order."""
        return self.sampled == self.count

    @property
    def bucket(self) -> Bucket:
        """Layer and module."""
        return bucket_of(self.tensor)


def make_parts(shapes: Mapping[str, tuple[int, ...]], whole: int = WHOLE) -> tuple[Part, ...]:
    """Decide how much of every tensor to sample.

    Buckets of at most ``whole`` elements are taken whole. Of larger ones 16,384 are taken, and four
    times as many where a bucket holds over 4 % of the model, as embeddings do: their error would
    outweigh all others. They are spread over the tensors in proportion to their size, with at
    least one of each.

    Args:
        shapes: By tensor; none is empty.
        whole: Largest bucket that is taken whole.

    Returns:
        Parts, those of equal size beside each other, then by bucket and name.
    """
    sizes = {name: int(np.prod(shape, dtype=np.int64)) for name, shape in shapes.items()}
    buckets = defaultdict(list)
    for name in sorted(sizes):
        buckets[bucket_of(name)].append(name)
    large = LARGE * sum(sizes.values())
    taken: dict[str, int] = {}
    for names in buckets.values():
        inside = [sizes[name] for name in names]
        count = SAMPLED if sum(inside) <= max(large, 4 * SAMPLED) else 4 * SAMPLED
        spread = inside if sum(inside) <= whole else _spread(inside, count)
        taken |= dict(zip(names, spread, strict=True))
    order = sorted(sizes, key=lambda n: (-taken[n], bucket_of(n), n))
    parts, start = [], 0
    for name in order:
        parts.append(Part(name, shapes[name], sizes[name], taken[name], start))
        start += taken[name]
    return tuple(parts)


def _spread(sizes: list[int], count: int) -> list[int]:
    """Share a count out in proportion, by largest remainders; never more than there is."""
    exact = [size * count / sum(sizes) for size in sizes]
    given = [max(1, int(e)) for e in exact]
    spare = max(0, count - sum(given))
    order = sorted(range(len(sizes)), key=lambda i: (int(exact[i]) - exact[i], i))
    for index in order[:spare]:
        given[index] += 1
    return [min(g, s) for g, s in zip(given, sizes, strict=True)]


def draw(seed: int, tensor: str, count: int, sampled: int) -> Indices:
    """Draw elements of a tensor, uniformly and without replacement.

    Returns:
        Flat indices, ascending, shape (sampled,).
    """
    if sampled == count:
        return np.arange(count, dtype=np.int64)
    source = generator(seed, tensor)
    kind = np.uint32 if count <= 1 << 32 else np.uint64
    found = np.empty(0, kind)
    while len(found) < sampled:
        # Distinct values of independent draws are a uniform subset of their number.
        more = source.integers(count, size=sampled + sampled // 8 + 8, dtype=kind)
        found = np.sort(np.concatenate([found, more]))
        found = found[np.concatenate([[True], found[1:] != found[:-1]])]
    kept = np.ones(len(found), np.bool_)
    kept[source.choice(len(found), len(found) - sampled, replace=False)] = False
    return found[kept].astype(np.int64)


def draw_in_blocks(seed: int, tensor: str, count: int, sampled: int) -> tuple[Indices, Indices]:
    """Draw elements that lie in few blocks, so that little of a large tensor has to be read.

    Returns:
        First elements of the blocks of ``BLOCK`` elements, and the flat indices, all ascending.
    """
    source = generator(seed, tensor)
    blocks = np.sort(source.choice(count // BLOCK, BLOCKS, replace=False)) * BLOCK
    inside = np.sort(source.choice(BLOCKS * BLOCK, sampled, replace=False))
    return blocks, blocks[inside // BLOCK] + inside % BLOCK


def generator(seed: int, tensor: str) -> np.random.Generator:
    """Return a source of random numbers that depends on seed and tensor only."""
    key = int.from_bytes(sha256(f"{seed}\x1f{tensor}".encode()).digest()[:16], "big")
    return np.random.Generator(np.random.PCG64(key))
