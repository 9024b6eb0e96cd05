"""Time the engine against mergekit, the disk and itself, beside the targets it was given.

    scripts/bench                        four experts of a 135 M Llama, made here: under 10 minutes
    scripts/bench --large                the same at 1.1 B too: about an hour more
    scripts/bench --rows whole,merge     some of the rows
    scripts/bench --work DIR             keep the models for the next time

Prints a line for every figure and exits 1 if one misses its target. Medians of ``--repeats`` runs,
of 3 at most for mergekit. What is compared runs in turns in the same run; files lie in the page
cache, and what a run wrote is deleted or on the disk before the next one starts. Without mergekit
(its own environment: ``scripts/cross-env`` makes it) its rows say so, and are neither held nor
missed.

What was tried and what each step gained
----------------------------------------
At 135 M, four experts, bfloat16 in and out, dialect mergekit, two cores of a virtual server (AMD
EPYC) that others used at the same time: the same merge took up to four times as long from one hour
to the next, so that ratios of runs in turns say more than seconds. Mergekit's figures on the same
two cores when idle, from before this bench: TIES 36 to 41 s, DARE-TIES 19 s, task arithmetic 8.3 s.

Before, all of a tensor at once, no overlap, everything held until it was written (medians of 3,
load 1 to 4; whole process, seconds and peak anonymous memory):

    TIES              47.6 s  3.61 GB   mergekit 61.5 s  2.48 GB   0.77 x time, 1.46 x memory
    DARE-TIES         75.2 s  2.08 GB   mergekit 66.1 s  2.47 GB   1.14 x time, 0.84 x memory
    task arithmetic   10.1 s  1.57 GB   mergekit 10.1 s  1.57 GB   1.01 x time, 1.00 x memory
    The merge over reading and writing the same bytes (0.5 to 0.7 s): TIES 54 x (38.8 s; 25.9 s in
    the quietest run), task arithmetic 16 x (8.5 s), TIES in dialect paper 83 x (43.2 s).
    From 2 to 8 experts TIES grows from 1.82 to 6.38 GB.
    Results equal mergekit's bit by bit for TIES (0.8 % of the weights lie at ties of a trim and are
    left out) and task arithmetic; DARE-TIES is as far from mergekit as from another seed of ours.
    The k-th magnitude of 8 M, ns an element: torch.kthvalue 17, torch.sort 54 (many equal values)
    to 127, numpy.partition 1.6 to 2.1.

Steps from there, each with what it gained:

    Chunks of a million weights in two threads, sums in blocks, an exact k-th magnitude by a sampled
    bracket (counted by numpy, whose comparisons take 0.07 ns a weight where torch's take 0.43)
    instead of torch.kthvalue, tensors mapped and never held, shards written meanwhile: TIES 26 to
    7.3 s, task arithmetic 8.5 to 2.5 s, TIES in dialect paper 43 to 4.8 s.
    Every chunk asked of its file once, results made where they belong, ties counted by the
    selection itself: processor time of TIES 4.0 to 3.2 s, of task arithmetic 1.3 to 0.9 s.
    Random bits by numpy's integers: 4.4 to 1.0 ns a weight; DARE-TIES 15 to 5.7 s.
    Memory of freed tensors used again (glibc gave it back and faulted it in for every block): the
    kernels on one chunk 1.15 to 0.21 s for twenty rounds.
    Kernels as one call without the interpreter's lock (TorchScript): twice the work in two threads
    0.29 to 0.17 s; TIES 2.75 to 2.0 s. Before that two threads were no faster than one, and two
    processes were twice as fast.
    A size that many changes share is tried alone before anything is gathered: selection on bfloat16
    differences 0.85 to 0.45 ns a weight.
    Without gain: blocks of 128 K to 512 K weights instead of 64 K; one thread with torch's own
    threads inside; pages of 2 MiB; numpy.partition of bit patterns (0.3 ns on random numbers, but
    1.1 to 1.8 on bfloat16 differences, and much slower where a processor lacks the instructions).
    Reading ahead costs a warm run nothing measurable and hides a cold disk.

Then (whole process): TIES 5.9 to 7.4 s, 0.135 to 0.158 x mergekit's time; DARE-TIES 7.2 to 9.4 s,
0.28 to 0.33 x; task arithmetic 3.3 to 3.8 s, 0.30 to 0.34 x. Again 0.21 to 0.29. Previews p50 22
ms, p95 32 ms; a sketch built in 1.45 s. From there:

    Loops compiled by Numba instead of TorchScript, one pass over memory each, ns a weight and
    expert on one core: consensus 1.8 to 0.2, counting a bracket 0.46 to 0.06, reading bfloat16 as a
    difference 0.63 to 0.1, a random mask 1.0 to 0.27, L1 norms 0.33 to 0.07; the bits are the same.
    TIES 2.3 to 1.9 s, DARE-TIES 5.1 to 2.7 s (the merge alone).
    Ties at a cut found by a loop instead of torch.nonzero, samples taken at a step instead of at
    random: TIES 1.9 to 1.5 s.
    Files read at the place of each chunk instead of mapped: all inputs 0.12 s instead of 0.25 s and
    0.14 s for unmapping; the first merge of a process 2.9 to 2.2 s. Telling the disk of what is in
    memory already took 0.28 s; it is asked first.
    Norms and masks of DARE for all experts in one call: DARE-TIES 2.7 to 2.0 s.
    The price is the start: importing Numba takes 0.25 s and its first loop 0.4 s, of every process;
    on a new machine compiling takes 5 s for a merge and 9 s for a preview, once.
    Trimmed changes kept packed (a bit for each place, and what is not zero): 0.7 GB instead of 2.2,
    and the first merge that keeps them 2.3 instead of 3.7 s; again as fast as before, so that its
    share of the first is larger.
    Without gain: blocks of 128 K to 1 M weights; a second thread saves a tenth of TIES (1.3 to
    1.2 s), for threads still hand the interpreter's lock to and fro, 10,000 times a merge.
    Importing libraries without collecting garbage: whole processes 0.5 to 0.8 s shorter.
    Chunks that shrink as experts are added: 8 experts 395 to 327 MB, but 5.0 to 9.0 s.

And then:

    Trimmed bfloat16 experts kept in the type of their files, with the base's weight where a change
    was trimmed away: 1.08 GB instead of 0.7, read like any expert, so that again takes 0.5 s
    instead of 0.65 (in one thread 0.58 instead of 1.31).
    Outputs in memory in one piece, which is mapped in large pages: 0.2 s of page faults gone.
    Ending a process without taking its libraries down: 0.2 to 0.3 s.
    Without gain: another switch interval of the interpreter, kept changes in pieces of 64 MB (the
    time goes into clearing memory that the machine has not used before: on this virtual server
    the first run that keeps 1 GB spends 2 s there), and not telling the disk of what is kept.

Now (medians of 3, in turns, load below 1):
    TIES              4.1 s  0.32 GB   mergekit 43.7 s  2.48 GB   0.094 x time, 0.13 x memory
    DARE-TIES         4.1 s  0.38 GB   mergekit 26.1 s  2.48 GB   0.158 x time, 0.15 x memory
    task arithmetic   2.6 s  0.25 GB   mergekit 11.3 s  1.57 GB   0.233 x time, 0.16 x memory
    (an hour before, TIES 0.111, DARE-TIES 0.185, task arithmetic 0.285: starting takes 1.7 s of
    each, of which the import of torch 1.1)
    The merge alone over reading all inputs into memory and writing the output: TIES 1.27, task
    arithmetic 0.84, TIES in dialect paper 2.1; against one small buffer that never leaves the
    cache 11, 8 and 24. From 2 to 8 experts time grows by half of their ratio, memory from 275 to
    398 MB (a chunk more for each expert and thread: missed). From 135 M to 1.1 B time grows by
    0.90 of the ratio of sizes, memory from 315 to 387 MB (missed; the promise of the plan holds).
    Previews p50 10.5 ms, p95 12.5. A sketch is built in 0.27 of reading the inputs into memory.

And then:

    What was kept trimmed is read block by block, so that it never leaves the cache as a whole
    chunk: one thread 0.70 to 0.47 s, and 0.21 to 0.13 s of it in the vote. Again after a weight
    0.20, after λ 0.24 of the first run (2.13 s, then 0.44 and 0.52).

At 1.1 B (once, nothing else running; mergekit with 14 GB resident):
    TIES             30.7 s  0.35 GB   mergekit 426 s  5.43 GB   0.072 x time, 0.065 x memory
    DARE-TIES        25.7 s  0.79 GB   mergekit 251 s  5.43 GB   0.102 x time, 0.146 x memory
    task arithmetic  12.8 s  0.31 GB   mergekit  65 s  3.34 GB   0.197 x time, 0.093 x memory
    The same bits but at ties (0.9 % of the weights); DARE-TIES apart as two seeds are. The merge
    alone over read and write: TIES 0.91, task arithmetic 0.24, TIES in dialect paper 0.88 (the
    plain copy waits for the disk; through one small buffer 2.4, 2.0 and 3.3).
    A GPU: not measured.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy
import torch

from scripts import (
    bench_again,
    bench_gpu,
    bench_merge,
    bench_page,
    bench_selection,
    bench_sketch,
    bench_whole,
)
from scripts.bench_models import SIZES
from scripts.bench_process import PROC
from scripts.bench_work import MERGEKIT, Bench, find_mergekit
from scripts.figures import Figure, Report

ROWS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "whole": bench_whole.rows,
    "merge": bench_merge.rows,
    "growth": bench_merge.growth,
    "again": bench_again.rows,
    "preview": bench_sketch.preview,
    "sketch": bench_sketch.build,
    "gpu": bench_gpu.rows,
    "selection": bench_selection.rows,
    "page": bench_page.rows,
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    report, told = Report(), []
    work = nullcontext(options.work) if options.work else tempfile.TemporaryDirectory()
    with work as root:
        bench = Bench(
            Path(root),
            SIZES[options.size],
            options.large,
            options.repeats,
            find_mergekit() if options.mergekit else None,
        )
        facts = machine() | {"mergekit": MERGEKIT if bench.mergekit else None}
        print(", ".join(f"{name} {fact}" for name, fact in facts.items()), flush=True)
        for row in options.rows:
            for figure in ROWS[row](bench):
                report.show(figure)
                told.append(row)
    if options.json:
        rows = [{"row": row} | figure for row, figure in zip(told, report.rows(), strict=True)]
        settings = {"size": options.size, "large": options.large, "repeats": options.repeats}
        found = {"machine": facts, "options": settings, "rows": rows}
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0 if report.reached else 1


def machine() -> dict[str, object]:
    """Return what the figures depend on; nothing that names the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "memory_gb": _memory(),
        "load": round(os.getloadavg()[0], 2),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def _memory() -> float | None:
    try:
        first = (PROC / "meminfo").read_text().split("\n", 1)[0]
    except OSError:
        return None
    return round(int(first.split()[1]) * 1024 / 1e9, 1)


def _rows(text: str) -> list[str]:
    chosen = text.split(",")
    for name in chosen:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"no row {name!r}; there are {', '.join(ROWS)}")
    return chosen


def _repeats(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number of at least 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", choices=["tiny", "135m"], default="135m")
    parser.add_argument("--large", action="store_true", help="work at 1.1 B too")
    parser.add_argument("--rows", type=_rows, default=list(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--repeats", type=_repeats, default=5)
    parser.add_argument("--work", type=Path, help="folder that keeps the models")
    parser.add_argument("--no-mergekit", dest="mergekit", action="store_false")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
