"""Time what a Ray cluster costs for each point of a sweep, beside its target.

    python -m scripts.bench_cluster [--address HOST:PORT] [--points 41] [--items 40] [--json FILE]

The cluster must run (README, "Sweeps on a cluster"). Overhead of a point is the time from a
worker's last answer to its next one as it arrives here, without the seconds that merging and
scoring took on the node: sending, waiting for a free worker, and coming back. The first order,
which loads libraries and models on the nodes, is timed apart.

Measured so (two nodes on one machine of two cores, others at work with a load of 6): overhead 6 ms,
longest 110 ms; a point on its node 230 ms; the first order 33 s.
"""

import argparse
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median

from merging.recipe import Recipe, make_recipe
from merging.search.axis import parameter_axis
from merging.search.cluster import Cluster
from merging.search.measure import SetMeasure
from merging.search.plan import SweepPlan
from merging.sets import open_set
from scripts.figures import Figure, Report

SET = "narrow"
OVERHEAD = 30.0  # target: ms a point


def quiet(fraction: float, message: str) -> None:
    """Tell nobody."""


def recipes(points: int) -> list[Recipe]:
    """Return different recipes of the set, all of one method."""
    recipe = make_recipe("task_arithmetic", tuple(open_set(SET).experts), set=SET)
    plan = SweepPlan(recipe, (parameter_axis(recipe, "scale", count=points),))
    return [point.recipe for point in plan.points() if point.recipe is not None]


def one_order(cluster: Cluster, measure: SetMeasure, todo: list[Recipe]) -> list[float]:
    """Score recipes; return the overhead of each worker's points after its first, in ms."""
    arrived: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for index, found in cluster.source(measure)(todo, quiet):
        if isinstance(found, Exception):
            raise SystemExit(f"Point {index} failed: {found}")
        worker, seconds = cluster.ran[-1]
        arrived[worker].append((time.perf_counter(), seconds))
    return [
        1e3 * (now - before - seconds)
        for points in arrived.values()
        for (before, _), (now, seconds) in pairwise(points)
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_cluster", description=__doc__)
    parser.add_argument("--address", default="auto")
    parser.add_argument("--points", type=int, default=41)
    parser.add_argument("--items", type=int, default=40, help="of each task")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    cluster, measure = Cluster(options.address), SetMeasure(SET, items=options.items)
    report, todo = Report(), recipes(options.points)
    try:
        begin = time.perf_counter()
        one_order(cluster, measure, todo)
        report.add("first order, with loading", time.perf_counter() - begin, "s")
        one_order(cluster, measure, todo)
        begin = time.perf_counter()
        costs = one_order(cluster, measure, todo)
        spent = time.perf_counter() - begin
    finally:
        cluster.close()
    workers = len({worker for worker, _ in cluster.ran})
    inside = 1e3 * median(seconds for _, seconds in cluster.ran)
    report.add(f"{len(todo)} points on {workers} workers", spent, "s")
    report.add("a point on its node, median", inside, "ms")
    note = f"longest {max(costs):.0f} ms"
    report.show(
        Figure("overhead of a point, median", round(median(costs), 1), "ms", OVERHEAD, note=note)
    )
    report.write(options.json)
    return 0 if report.reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
