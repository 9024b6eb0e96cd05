"""The merge without start-up: against reading and writing the same bytes, and as it grows."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench_models import SIZES, Family
from scripts.bench_process import Ran, python, ran
from scripts.bench_work import (
    TASK_ARITHMETIC,
    TIES,
    TIES_PAPER,
    Bench,
    Task,
    alternating,
    median,
    ratio,
    save_recipe,
)
from scripts.figures import Figure

READ_AND_WRITE = {TIES: 2.5, TASK_ARITHMETIC: 1.3, TIES_PAPER: 4.0}
WITHIN = 1.15
FEW, MANY = 2, 8
BUFFER = 8 << 20


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield the time of each merge over that of reading its inputs and writing its output."""
    for size in bench.sizes():
        family = bench.family(4, size)
        for task, target in READ_AND_WRITE.items():
            with bench.scratch() as scratch:
                recipe = save_recipe(family, task.recipe(family))
                merges, copies, streams = alternating(
                    (lambda r=recipe, s=scratch: merged(r, s / "out"), bench.repeats),
                    (lambda f=family, s=scratch: held(f, s / "plain"), bench.repeats),
                    (lambda f=family, s=scratch: copied(f, s / "plain"), bench.repeats),
                )
            yield _against_copy(size.name, task, target, merges, copies)
            yield _against_stream(size.name, task, merges, streams)


def _against_copy(
    size: str, task: Task, target: float, merges: list[Ran], copies: list[float]
) -> Figure:
    times = [round(alone(m), 3) for m in merges]
    seconds, plain = median(times), median(copies)
    return Figure(
        f"{size} {task.name}: merge over read + write",
        ratio(seconds, plain),
        "x",
        target,
        note=f"{seconds:.2f} s against {plain:.2f} s",
        details={
            "merge": seconds,
            "plain": plain,
            "runs": times,
            "plain_runs": [round(c, 3) for c in copies],
            "anonymous": median([m.anonymous for m in merges]),
        },
    )


def _against_stream(size: str, task: Task, merges: list[Ran], streams: list[float]) -> Figure:
    """The same against one small buffer that never leaves the cache: reported, no target."""
    seconds, plain = median([alone(m) for m in merges]), median(streams)
    return Figure(
        f"{size} {task.name}: merge over read + write through one buffer",
        ratio(seconds, plain),
        "x",
        note=f"{seconds:.2f} s against {plain:.2f} s",
        details={"merge": seconds, "plain": plain},
    )


def merged(recipe: Path, out: Path) -> Ran:
    """Measure a merge in a fresh process, which tells its seconds; what it wrote is let go."""
    run = ran(python("-m", "scripts.bench_child", recipe, "--out", out))
    shutil.rmtree(out)
    return run


def alone(run: Ran) -> float:
    """Return the seconds of a merge without the start of its process."""
    return float(run.said.split()[-1])


def held(family: Family, out: Path) -> float:
    """Return the seconds of reading all inputs into memory and writing as many bytes as a model.

    Nothing in between. The inputs are all held, as by whoever wants to compute with them.
    """
    begin = time.perf_counter()
    data = [path.read_bytes() for path in family.files()]
    out.write_bytes(data[0])
    seconds = time.perf_counter() - begin
    out.unlink()
    return seconds


def copied(family: Family, out: Path) -> float:
    """Return the seconds of reading all inputs and writing as many bytes as one model has.

    One buffer of 8 MiB, nothing in between, one thread, no flush to the disk.
    """
    buffer = bytearray(BUFFER)
    begin = time.perf_counter()
    for path in family.files():
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    left = family.files()[0].stat().st_size
    with out.open("wb", buffering=0) as file:
        while left:
            left -= file.write(memoryview(buffer)[: min(left, BUFFER)])
    seconds = time.perf_counter() - begin
    out.unlink()
    return seconds


def growth(bench: Bench) -> Iterator[Figure]:
    """Yield how time and memory of TIES grow with the experts, and with the size if asked for."""
    few, many = bench.family(FEW), bench.family(MANY)
    yield from _grown(bench, f"{FEW} to {MANY} experts", few, many, MANY / FEW)
    name = "135 M to 1.1 B"
    if bench.large:
        small, large = bench.family(4, SIZES["135m"]), bench.family(4, SIZES["1.1b"])
        parameters = large.size.parameters / small.size.parameters
        yield from _grown(bench, name, small, large, parameters)
        return
    for what in ("time", "memory"):
        yield Figure(f"TIES, {name}: {what} grown", None, "x", WITHIN, note="only with --large")


def _grown(
    bench: Bench, name: str, small: Family, large: Family, factor: float
) -> Iterator[Figure]:
    with bench.scratch() as scratch:
        recipes = [save_recipe(f, TIES.recipe(f)) for f in (small, large)]
        works = [lambda r=recipe: merged(r, scratch / "out") for recipe in recipes]
        found = alternating(*((work, bench.their_repeats) for work in works))
    first, last = (median([alone(run) for run in runs]) for runs in found)
    low, high = (median([run.anonymous for run in runs]) for runs in found)
    grown = ratio(last, first)
    yield Figure(
        f"TIES, {name}: time grown / {factor:.3g}",
        grown and round(grown / factor, 4),
        "x",
        WITHIN,
        note=f"{first:.2f} s to {last:.2f} s",
        details={"from": first, "to": last, "factor": factor},
    )
    told = "" if low is None or high is None else f"{low / 1e6:.0f} MB to {high / 1e6:.0f} MB"
    yield Figure(
        f"TIES, {name}: memory grown",
        ratio(high, low),
        "x",
        WITHIN,
        note=told or "memory unknown",
        details={"from": low, "to": high},
    )
