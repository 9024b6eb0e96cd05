"""Previews from a built sketch, and the building of one, as ``scripts.bench_preview`` has them."""

from collections.abc import Iterator

from scripts.bench_preview import build_row, preview_row
from scripts.bench_work import Bench
from scripts.figures import Figure


def preview(bench: Bench) -> Iterator[Figure]:
    """Yield the time of a preview over 30 layers and 4 experts, after any change."""
    name = "preview of any change, p95"
    told = preview_row()
    note = f"p50 {told['p50_ms']:.1f} ms"
    yield Figure(name, round(told["p95_ms"], 2), "ms", 15.0, note=note, details=told)


def build(bench: Bench) -> Iterator[Figure]:
    """Yield the time of building a sketch over that of reading the inputs once into memory.

    Beside it: over reading each into memory that is used again, a copy out of the page cache.
    """
    family = bench.family()
    name = f"{family.size.name}: sketch built over inputs read"
    told = build_row([path.parent for path in family.files()])
    note = (
        f"{told['build_s']:.2f} s against {told['held_s']:.2f} s; "
        f"{told['ratio_reused']:.1f} x reading into memory used again"
    )
    yield Figure(name, round(told["ratio"], 3), "x", 2.0, note=note, details=told)
