"""Sweeps on a real Ray cluster of two nodes: equal to here, also when one is killed; cancel."""

import importlib.util
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from two_nodes import TwoNodes

from merging.errors import Cancelled
from merging.recipe import make_recipe
from merging.search.axis import parameter_axis
from merging.search.cluster import Cluster
from merging.search.measure import SetMeasure
from merging.search.plan import SweepPlan
from merging.search.sweep import SweepResult, sweep
from merging.sets import open_set

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None or not sys.platform.startswith("linux"),
        reason="ray is not installed (merging/search/requirements-ray.txt), or this is no Linux",
    ),
    pytest.mark.usefixtures("alone"),
]
SET, POINTS, PATIENCE = "narrow", 11, 240.0


class Patient:
    """A report that gives up after some minutes, so that nothing here waits for ever."""

    def __init__(self) -> None:
        self.end = time.monotonic() + PATIENCE

    def __call__(self, fraction: float, message: str) -> None:
        if time.monotonic() > self.end:
            raise Cancelled("It took too long.")


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    found = TwoNodes()
    found.hang_on_head()
    yield found
    found.close()


@pytest.fixture(scope="module")
def cluster(nodes: TwoNodes) -> Iterator[Cluster]:
    found = Cluster(nodes.address)
    yield found
    found.close()


@pytest.fixture(scope="module")
def measure() -> SetMeasure:
    return SetMeasure(SET, items=20)


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    """A random method: only equal seeds give equal answers."""
    recipe = make_recipe("dare", tuple(open_set(SET).experts), set=SET, seed=5)
    return SweepPlan(recipe, (parameter_axis(recipe, "scale", count=POINTS),))


def run(plan: SweepPlan, measure: SetMeasure, **how) -> SweepResult:
    return sweep(plan, Patient(), measure=measure, budget_seconds=PATIENCE, **how)


@pytest.fixture(scope="module")
def here(plan: SweepPlan, measure: SetMeasure) -> SweepResult:
    return run(plan, measure)


def same(found: SweepResult, here: SweepResult) -> bool:
    """Whether two sweeps have the same points, in any order, and chose the same."""
    a, b = ({p.at: p for p in r.points} for r in (found, here))
    assert found.ended == "complete" and a.keys() == b.keys() and len(a) == POINTS
    assert not [p.error for p in found.points if p.error]
    bits = all((a[at].correct[t] == b[at].correct[t]).all() for at in a for t in b[at].correct)
    shares = all(a[at].shares == b[at].shares and a[at].mean == b[at].mean for at in a)
    assert found.chosen is not None and here.chosen is not None
    return bits and shares and found.chosen.recipe == here.chosen.recipe


def both_at_work(cluster: Cluster, plan: SweepPlan, measure: SetMeasure) -> SweepResult:
    """Sweep until both nodes score points; the second may still be loading at first."""
    for _ in range(6):
        found = run(plan, measure, source=cluster.source(measure))
        if len({worker for worker, _ in cluster.ran}) == 2:
            return found
    raise AssertionError(f"only one node works: {cluster.ran}")


def test_two_nodes_answer_what_one_thread_answers_here(
    cluster: Cluster, plan: SweepPlan, measure: SetMeasure, here: SweepResult
) -> None:
    found = both_at_work(cluster, plan, measure)
    assert same(found, here)
    assert len(cluster.ran) == POINTS and all(seconds > 0 for _, seconds in cluster.ran)


def test_cancel_frees_the_nodes(
    cluster: Cluster, plan: SweepPlan, measure: SetMeasure, here: SweepResult
) -> None:
    """A hundred points of the larger set would take a minute; the next sweep need not wait."""
    big = open_set("gentle")
    recipe = make_recipe("ties", tuple(big.experts), set="gentle")
    long = SweepPlan(recipe, (parameter_axis(recipe, "scale", count=101),))
    source = cluster.source(SetMeasure("gentle"))([p.recipe for p in long.points()], Patient())
    next(source)
    begin = time.monotonic()
    source.close()
    assert time.monotonic() - begin < 3
    found = run(plan, measure, source=cluster.source(measure))
    assert same(found, here)


def test_a_node_with_other_files_refuses_its_points_in_words(
    cluster: Cluster, plan: SweepPlan, measure: SetMeasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cluster._contents, SET, "0000000000000000")
    found = run(plan, measure, source=cluster.source(measure))
    assert found.ended == "complete" and found.chosen is None
    assert all("The set narrow on the node" in p.error for p in found.points)


def killed_in_the_middle(
    nodes: TwoNodes, cluster: Cluster, plan: SweepPlan, measure: SetMeasure
) -> SweepResult:
    """Sweep, and kill the other node with the points that it holds."""

    def on_point(state: SweepResult) -> None:
        if len(state.points) >= 3 and nodes.other.poll() is None:
            nodes.send(nodes.other, signal.SIGKILL)

    found = run(plan, measure, source=cluster.source(measure), on_point=on_point)
    assert nodes.other.wait(10) == -signal.SIGKILL
    return found


def test_a_node_killed_in_the_middle_changes_nothing(
    nodes: TwoNodes, cluster: Cluster, plan: SweepPlan, measure: SetMeasure, here: SweepResult
) -> None:
    """The node dies with the points that it holds: nothing of them comes after a SIGKILL."""
    assert same(killed_in_the_middle(nodes, cluster, plan, measure), here)
    again = run(plan, measure, source=cluster.source(measure))
    assert same(again, here) and len({worker for worker, _ in cluster.ran}) == 1


def test_this_machines_own_node_killed_in_the_middle_changes_nothing(
    nodes: TwoNodes, plan: SweepPlan, measure: SetMeasure, here: SweepResult
) -> None:
    """With it dies what the process that speaks with Ray hangs on; the next one finds the head."""
    nodes.add()
    cluster = Cluster(nodes.address)
    try:
        both_at_work(cluster, plan, measure)
        first = cluster._driver
        assert same(killed_in_the_middle(nodes, cluster, plan, measure), here)
        assert cluster._driver is not first
    finally:
        cluster.close()
