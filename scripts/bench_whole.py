"""Whole processes, ours against mergekit's, in turns: wall time, memory, and whether they agree."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.bench_agreement import ROUNDING, agreement, statistical_gap
from scripts.bench_models import Family
from scripts.bench_process import Ran, python, ran, settle
from scripts.bench_work import (
    DARE_TIES,
    DENSITY,
    NO_MERGEKIT,
    TASK_ARITHMETIC,
    TIES,
    Bench,
    Task,
    alternating,
    median,
    our_command,
    ratio,
    save_config,
    save_recipe,
    their_command,
)
from scripts.figures import Figure

TIMES = {TIES: 1 / 10, DARE_TIES: 1 / 4, TASK_ARITHMETIC: 1 / 3}
MEMORY = 1 / 3
# One rounding to bfloat16, in one of a thousand weights.
MOST_DIFFERENT = 1e-3
# Two seeds of ours are one draw of the distance that chance makes; another may be larger.
TIMES_CHANCE = 3.0


@dataclass(frozen=True)
class Measured:
    """Medians over the runs of one side, and the wall time of each run."""

    seconds: float | None = None
    processor: float | None = None
    anonymous: float | None = None
    resident: float | None = None
    runs: tuple[float, ...] = ()


def rows(bench: Bench) -> Iterator[Figure]:
    """Yield time, memory and agreement for each method and size."""
    for size in bench.sizes():
        family = bench.family(4, size)
        _warm(bench, family)
        for task in TIMES:
            yield from _task_rows(bench, family, task)


def _warm(bench: Bench, family: Family) -> None:
    """Bring the inputs and both programs into the page cache."""
    for path in family.files():
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 23):
                pass
    if bench.mergekit:
        ran(python("-m", "merging", "--help"))
        ran([bench.mergekit, "-m", "mergekit.scripts.run_yaml", "--help"])


def _task_rows(bench: Bench, family: Family, task: Task) -> Iterator[Figure]:
    with bench.scratch() as scratch:
        ours_out, theirs_out = scratch / "ours", scratch / "theirs"
        recipe, config = save_recipe(family, task.recipe(family)), save_config(family, task)
        mine = (lambda: _run(our_command(recipe, ours_out), ours_out), bench.repeats)
        if bench.mergekit is None:
            yield from _compared(family, task, _medians(alternating(mine)[0]), None)
            yield Figure(_name(family, task, "disagreement"), None, "x", note=NO_MERGEKIT)
            return
        command = their_command(bench.mergekit, config, theirs_out)
        theirs = (lambda: _run(command, theirs_out), bench.their_repeats)
        found = alternating(mine, theirs)
        yield from _compared(family, task, *map(_medians, found))
        if task is DARE_TIES:
            yield _by_chance(family, task, scratch)
        else:
            yield _by_weight(family, task, scratch)


def _run(command: list[str], out: Path) -> Ran:
    """Measure a merge; the result of the last one stays."""
    shutil.rmtree(out, ignore_errors=True)
    run = ran(command)
    settle(out)
    return run


def _medians(runs: list[Ran]) -> Measured:
    return Measured(
        median([r.seconds for r in runs]),
        median([r.processor for r in runs]),
        median([r.anonymous for r in runs]),
        median([r.resident for r in runs]),
        tuple(round(r.seconds, 3) for r in runs),
    )


def _compared(
    family: Family, task: Task, ours: Measured, theirs: Measured | None
) -> Iterator[Figure]:
    other = theirs or Measured()
    told = {"ours": ours, "mergekit": theirs}
    yield Figure(
        _name(family, task, "wall time over mergekit's"),
        ratio(ours.seconds, other.seconds),
        "x",
        TIMES[task],
        note=_note(_seconds(ours), theirs and _seconds(theirs)),
        details=told,
    )
    yield Figure(
        _name(family, task, "memory over mergekit's"),
        ratio(ours.anonymous, other.anonymous),
        "x",
        MEMORY,
        note=_note(_megabytes(ours), theirs and _megabytes(theirs)),
        details=told,
    )


def _by_weight(family: Family, task: Task, scratch: Path) -> Figure:
    density = DENSITY if task is TIES else 1.0
    found = agreement(family, scratch / "ours", scratch / "theirs", density)
    return Figure(
        _name(family, task, "disagreement over what is allowed"),
        round(max(found.largest / ROUNDING, found.differ / MOST_DIFFERENT), 4),
        "x",
        1.0,
        note=f"differ by {found.largest:.1e} at most, {found.differ:.1e} of the weights; "
        f"{found.ties:.1e} at ties left out",
        details=vars(found),
    )


def _by_chance(family: Family, task: Task, scratch: Path) -> Figure:
    again = scratch / "again"
    ran(our_command(save_recipe(family, task.recipe(family, seed=1)), again))
    theirs = statistical_gap(family, scratch / "ours", scratch / "theirs")
    chance = statistical_gap(family, scratch / "ours", again)
    return Figure(
        _name(family, task, "disagreement over chance"),
        ratio(theirs, chance),
        "x",
        TIMES_CHANCE,
        note=f"apart by {theirs:.1e}; two seeds of ours by {chance:.1e}",
        details={"mergekit": theirs, "chance": chance},
    )


def _name(family: Family, task: Task, what: str) -> str:
    return f"{family.size.name} {task.name}: {what}"


def _note(ours: str, theirs: str | None) -> str:
    return f"{ours}; {NO_MERGEKIT}" if theirs is None else f"{ours} against {theirs}"


def _seconds(side: Measured) -> str:
    return f"{side.seconds:.2f} s"


def _megabytes(side: Measured) -> str:
    if side.anonymous is None or side.resident is None:
        return "memory unknown"
    return f"{side.anonymous / 1e6:.0f} MB, resident {side.resident / 1e6:.0f} MB"
