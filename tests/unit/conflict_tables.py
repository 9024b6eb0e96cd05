"""Tables of conflict made of counts by hand or by seed, as a sketch would answer."""

from collections.abc import Mapping, Sequence

import numpy as np

from merging.analysis.figures import Shares
from merging.checkpoints import Bucket
from merging.sketch.answers import ConflictTable

MODULES = ("q", "k", "v", "o", "gate", "up", "down", "norm")
Counts = tuple[int, int, int, int]  # weights looked at, kept by one, agreeing, clashing


def buckets(layers: int) -> list[Bucket]:
    """Return the cells of a model: embeddings, eight kinds in each layer, a last norm."""
    inner = [Bucket(f"L{layer}", module) for layer in range(layers) for module in MODULES]
    return [Bucket("Embed", "embed"), *inner, Bucket("Final", "norm")]


def random_counts(cells: Sequence[Bucket], seed: int) -> dict[Bucket, Counts]:
    """Return counts in which deeper layers clash more and norms are small."""
    made = np.random.default_rng(seed)
    found = {}
    for at, bucket in enumerate(cells):
        total = 64 if bucket.module == "norm" else 16_384
        kept, one = made.uniform(0.2, 0.5), made.uniform(0.2, 0.4)
        clash = 0.2 + 0.5 * at / len(cells) + made.uniform(-0.1, 0.1)
        both = round(total * kept)
        found[bucket] = (total, round(total * one), both - round(both * clash), round(both * clash))
    return found


def table(
    groups: Sequence[Sequence[Bucket]], counts: Mapping[Bucket, Counts], sampled: bool = False
) -> ConflictTable:
    """Return the table of groups from counts of their buckets; coin tosses clash at one half."""
    rows = [[counts[bucket] for bucket in group] for group in groups]
    total, one, agree, clash = np.array([np.sum(row, 0) for row in rows], np.int64).T
    both = agree + clash
    return ConflictTable(
        share=_shares(clash, both, sampled),
        chance=_shares(both, 2 * both, sampled, both),
        agree=_shares(agree, total, sampled),
        disjoint=_shares(one, total, sampled),
        contested=_shares(clash, total, sampled),
        shared=both,
    )


def _shares(
    hits: np.ndarray, of: np.ndarray, sampled: bool, basis: np.ndarray | None = None
) -> Shares:
    value = np.where(of > 0, hits / np.maximum(of, 1), np.nan)
    half = 1.96 * np.sqrt(value * (1 - value) / np.maximum(of, 1)) if sampled else np.zeros(len(of))
    counted = of if basis is None else basis
    return Shares(value, value - half, value + half, counted, not sampled)
