"""Time previews on a sketch of a 135 M Llama, and the building of a sketch.

``python -m scripts.bench_preview [BASE EXPERT ...]``: without folders the sketch is made up in
memory (30 layers, 242 buckets, 4 experts, 3.5 M columns), with folders a sketch of them is built
and timed against reading their files once.

Previews: what was tried, per tick of TIES over 3.5 M columns x 4 experts, from slow to fast. The
methods' own kernels over all columns, tensor by tensor: 300 ms and more. Marks packed into words,
conflict counted on words, values merged by kernels over every fourth column: 36 ms. Vote, merge and
winners in shared passes: 23 ms. Arrays used again, longer runs, sums of values over 300,000 columns
only, counting and merging in a thread each: p50 16 to 19 ms, p95 24 to 26 (all of these numpy).

Now compiled loops do all of it, values included, over all 3.5 M columns, tile by tile. Times vary
by a third from one minute to the next on the two virtual cores this was written on; lowest of
several runs. First as numpy would be written, 512 columns a tile: 22 ms in one thread, 13 in two.
Loops that write few arrays (with over eight pairs to be told apart LLVM gives up on vectors), no
array written in place of what it is made from, numbers counted as float32 instead of int64: 14 ms.
Figures and tables of counts made once: Python's part 4 to 3 ms. p50 12.4 to 15 ms, p95 18 to 20,
of which the loops take 7 to 9 at their best (14 in one thread: 8.5 for the arithmetic, 4 for
fetching the deltas). Then the caller's thread took part in the work, cut into 16 jobs instead of 8,
and cells were worked out only when asked for: p50 10.1 to 10.5 ms, p95 12.4 to 12.6.

Within the noise: tiles of 4,096 instead of 2,048 (below 1,024 they are slower, as each call counts
references of every array it is given); survivors weighed in registers instead of an array of their
own, and votes added while survivors are counted (both kept, for they are less code); forced
inlining; rows that are not a multiple of a page apart; values over every fourth column, for picking
these out costs nearly what it saves. Slower: comparing and summing in one loop (masked stores).

Building, five bfloat16 models of 135 M weights, in two threads, beside reading all inputs into
memory that stays (0.63 to 1.3 s on the same machine: what whoever wants to compute with them pays,
and what the target compares with) and into memory that numpy uses again (0.14 to 0.45 s: a copy out
of the page cache, reported beside it). One torch operation after another over chunks of 131,072
weights, histograms over half of each large tensor: 1.1 to 1.45 s, and no faster in two threads than
in one, for they wait for each other's turn at Python between two operations. One compiled sweep
over tiles of 1,024 coordinates (``merging.sketch.sweep``), which counts every element: 0.41 to 0.62
s. Its parts on one core, in seconds for all five models: widen and subtract 0.07, sizes and their
sum 0.02, bins and non-zeros 0.04, counting 0.13, ten exact products a coordinate 0.07 (0.1 one by
one instead of two by two, 0.21 without leave to add in any order). Beside it: reading 0.13 to 0.2,
draws 0.06, tables 0.04, plan 0.01. Mapped files instead of reads into the cache: 0.86 s at best in
one thread against 0.73, for the page faults take longer than the copy. Reads of 100 KB in two
threads: 0.6 to 1.0 s, as slow as one thread; of 400 KB (2 MiB over all models) 0.48 to 0.6. Both
cores at once run the sweep at 3.5 to 4.8 ns a coordinate, one alone at 3.0 to 4.0.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from merging.checkpoints import open_folder
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch, build_sketch, preview
from merging.sketch.parts import draw, make_parts
from merging.sketch.quantiles import exact_table

LAYERS, WIDTH, INNER, NARROW, WORDS = 30, 576, 1536, 192, 49_152
EXPERTS = ("a", "b", "c", "d")
WARM_UP = 12


def shapes(layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a small Llama with tied embeddings."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (WORDS, WIDTH)}
    for layer in range(layers):
        at = f"model.layers.{layer}."
        rows = {"q": WIDTH, "k": NARROW, "v": NARROW, "o": WIDTH}
        found |= {f"{at}self_attn.{n}_proj.weight": (rows[n], WIDTH) for n in rows}
        found |= {f"{at}mlp.{n}_proj.weight": (INNER, WIDTH) for n in ("gate", "up")}
        found[f"{at}mlp.down_proj.weight"] = (WIDTH, INNER)
        found |= {f"{at}{n}_layernorm.weight": (WIDTH,) for n in ("input", "post_attention")}
    return found | {"model.norm.weight": (WIDTH,)}


def made_up(layers: int = LAYERS) -> Sketch:
    """Return the sketch of a base and four experts that nobody trained."""
    source = np.random.default_rng(0)
    parts = make_parts(shapes(layers))
    columns = parts[-1].stop
    common = source.standard_normal(columns, dtype=np.float32)
    own = source.standard_normal((len(EXPERTS), columns), dtype=np.float32)
    deltas = (own + 0.5 * common) * np.float32(0.002)
    scale = np.array([part.count / part.sampled for part in parts])
    runs = [deltas[:, part.start : part.stop] for part in parts]
    tables = [
        [exact_table(np.sort(np.abs(row))) for row in run]
        for run, part in zip(runs, parts, strict=True)
        if not part.whole
    ]
    whole = [exact_table(np.sort(np.abs(row))) for row in deltas]
    stored = [np.stack([[t.values, t.at_least, t.above] for t in row]) for row in (*tables, whole)]
    sums = {
        "nonzero": np.stack([(run != 0).sum(1) for run in runs]) * scale[:, None],
        "l1": np.stack([np.abs(run).sum(1) for run in runs]) * scale[:, None],
        "dots": np.stack([run @ run.T for run in runs]) * scale[:, None, None],
    }
    index = [draw(0, part.tensor, part.count, part.sampled) for part in parts]
    return Sketch(
        identity="made up",
        seed=0,
        quick=False,
        experts=EXPERTS,
        parts=parts,
        index=torch.from_numpy(np.concatenate(index)),
        base=torch.from_numpy(common * np.float32(0.02)),
        deltas=torch.from_numpy(deltas),
        levels=torch.from_numpy(np.stack(stored[:-1])),
        model_levels=torch.from_numpy(stored[-1]),
        **{name: torch.from_numpy(array.astype(np.float64)) for name, array in sums.items()},
    )


def changes(ids: tuple[str, ...]) -> Iterator[Recipe]:
    """Return one changed recipe after another: every tick moves another control."""
    kinds = []
    for step in range(40):
        share = 0.05 + 0.0225 * step
        kinds += [
            make_recipe("ties", ids, params={"density": share}),
            make_recipe("ties", {i: 1 + share * n for n, i in enumerate(ids)}),
            make_recipe("dare_ties", ids, params={"drop_rate": share}),
            make_recipe("ties", ids, params={"scale": 2 * share}),
            make_recipe("ties", ids, params={"density": share, "election": "count"}),
            make_recipe("ties", ids, dialect="mergekit", params={"density": share}),
            make_recipe("ties", ids, params={"density": share, "trim_scope": "tensor"}),
            make_recipe("task_arithmetic", dict.fromkeys(ids, share)),
            make_recipe("dare_ties", ids, dialect="mergekit", params={"drop_rate": share}),
            make_recipe("dare", ids, params={"drop_rate": share}),
        ]
    return cycle(kinds)


def tick(sketch: Sketch, recipe: Recipe, pinned: Recipe) -> object:
    """Answer a slider: all figures over the model, and the counts of every cell."""
    found = preview(sketch, recipe, pinned)
    whole = found.whole
    return whole.agree, whole.disjoint, whole.contested, whole.share, whole.chance


def preview_row(seconds: float = 5.0, sketch: Sketch | None = None) -> dict[str, float]:
    """Time previews of alternating changes.

    Args:
        seconds: How long to go on after a few that are not counted.
        sketch: What to ask; one made up by default.

    Returns:
        Milliseconds: ``p50_ms`` and ``p95_ms``; and how many ``ticks`` there were.
    """
    sketch = sketch or made_up()
    pinned = make_recipe("task_arithmetic", sketch.experts)
    recipes = changes(sketch.experts)
    for _ in range(WARM_UP):
        tick(sketch, next(recipes), pinned)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < WARM_UP:
        recipe = next(recipes)
        begin = time.perf_counter()
        tick(sketch, recipe, pinned)
        times.append(time.perf_counter() - begin)
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return {"p50_ms": 1e3 * float(p50), "p95_ms": 1e3 * float(p95), "ticks": len(times)}


def build_row(folders: list[Path], repeats: int = 5, quick: bool = False) -> dict[str, float]:
    """Time the building of a sketch against reading its models once, alternating; medians.

    Args:
        folders: The base and its experts.
        repeats: How often.
        quick: Build in quick mode.

    Returns:
        Seconds ``build_s``; ``held_s``, all inputs read into memory that stays, as
        ``scripts.bench_merge.held`` does; ``read_s``, each file read into memory that numpy uses
        again. And what building takes over each: ``ratio`` and ``ratio_reused``.
    """
    base, *experts = (open_folder(folder) for folder in folders)
    files = sorted({file for model in (base, *experts) for file in model.files.values()})
    models = {f"{number} {model.name}": model for number, model in enumerate(experts)}
    actions: dict[str, Callable[[], object]] = {
        "build_s": lambda: build_sketch(base, models, quick=quick),
        "read_s": lambda: [len(np.fromfile(file, np.uint8)) for file in files],
        "held_s": lambda: [file.read_bytes() for file in files],
    }
    actions["build_s"]()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            begin = time.perf_counter()
            found = action()
            times[name].append(time.perf_counter() - begin)
            del found
    told = {name: float(np.median(runs)) for name, runs in times.items()}
    build = told["build_s"]
    return told | {"ratio": build / told["held_s"], "ratio_reused": build / told["read_s"]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench_preview", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.folders:
        found = build_row(options.folders, quick=options.quick)
    else:
        found = preview_row(options.seconds)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
