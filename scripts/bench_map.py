"""Time maps of weight space beside their targets, as a visitor's job would draw them.

    python -m scripts.bench_map [--side 21] [--json FILE]

One map of the plane through the base and two experts of a set, on the tasks of the two (what the
page counts unless it is told otherwise), 100 items a task, in as many threads as the server uses,
of the same low priority. Meanwhile a slider is moved: previews of new recipes are asked for in this
process, one after another. The set was rehearsed before, as a server does with its first one; the
first score of a set that was not is timed as well. Then a map is stopped in the middle, and the
first one is judged on the set's other tasks as well.
"""

import argparse
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from merging.engine import one_thread
from merging.errors import Cancelled
from merging.recipe import make_recipe
from merging.search.crew import hands
from merging.search.ground import SetGround
from merging.search.judging import rehearse
from merging.search.landscape import Landscape, landscape
from merging.search.plane import SIDE
from merging.sets import open_set, sketch
from merging.sketch import preview
from scripts.figures import Report
from ui.services import background

SET = "gentle"
WHOLE, FIRST, CANCEL, SLIDER = 60.0, 1.0, 0.5, 250.0  # targets: s, s, s, ms
BUDGET = 900.0


def one_map(
    ground: SetGround, side: int, tasks: Sequence[str], known: Landscape | None = None
) -> tuple[dict[str, float], Landscape]:
    """Return seconds to the drawing of the models, the first scored place, and the whole."""
    experts = tuple(open_set(SET).experts)[:2]
    seen: dict[str, float] = {}
    begin = time.perf_counter()

    def noted(found: Landscape) -> None:
        now = time.perf_counter() - begin
        seen.setdefault("frame", now)
        if found.named or found.places:
            seen.setdefault("first", now)

    found = landscape(
        ground, (experts[0], experts[1]), lambda share, word: None, count=side,
        tasks=tasks, known=known, on_point=noted, budget_seconds=BUDGET,
    )  # fmt: skip
    return {**seen, "whole": time.perf_counter() - begin}, found


def stopped(after: float) -> float:
    """Return how long a map goes on after somebody cancelled it."""
    experts = tuple(open_set(SET).experts)[:2]
    begin = time.perf_counter()

    def report(share: float, word: str) -> None:
        if time.perf_counter() - begin > after:
            raise Cancelled("stop")

    landscape(SetGround(SET), (experts[0], experts[1]), report)
    return time.perf_counter() - begin - after


def slider(until: threading.Event) -> list[float]:
    """Return milliseconds of previews of ever new recipes, asked for until the map is done."""
    held, experts = sketch(SET), tuple(open_set(SET).experts)
    took: list[float] = []
    while not until.is_set():
        density = 0.1 + len(took) % 800 / 1e3
        recipe = make_recipe("ties", experts, set=SET, params={"density": density})
        begin = time.perf_counter()
        preview(held, recipe)
        took.append(1e3 * (time.perf_counter() - begin))
        until.wait(0.05)
    return took


def figures(report: Report, side: int) -> None:
    """Measure everything and show it."""
    one_thread()
    opened = open_set(SET)
    preview(sketch(SET), make_recipe("ties", tuple(opened.experts), set=SET))  # warm
    every = [task["id"] for task in opened.card["tasks"]]
    theirs = [opened.task_of(e) for e in tuple(opened.experts)[:2]]
    done, held, ground = threading.Event(), dict[str, Any](), SetGround(SET)
    rehearse(ground)

    def work() -> None:
        background()
        held["cold"], _ = one_map(SetGround(SET), 2, theirs)
        held["times"], held["map"] = one_map(ground, side, theirs)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    took = sorted(slider(done))
    thread.join()
    times, found = held["times"], held["map"]
    name = f"a map of {side} x {side}, {hands()} threads"
    report.add(f"{name}, the two experts' tasks", times["whole"], "s", WHOLE)
    report.add("the models in place", times["frame"], "s", FIRST)
    report.add("the first score", times["first"], "s", FIRST)
    report.add("the first score, of a set that was not rehearsed", held["cold"]["first"], "s")
    report.add("a further place", 1e3 * found.seconds * len(found.tasks), "ms")
    report.add("a slider meanwhile, median", median(took), "ms")
    report.add("a slider meanwhile, p95", took[int(0.95 * len(took))], "ms", SLIDER)
    report.add("goes on after a stop", stopped(3.0), "s", CANCEL)
    more, _ = one_map(SetGround(SET), side, every, found)
    report.add("the other tasks of that map", more["whole"], "s")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, and tell whether all targets were reached."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_map", description=__doc__)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    report = Report()
    figures(report, options.side)
    report.write(options.json)
    return 0 if report.reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
