"""The guard on curves written down: monotone, not monotone, noisy; and drops by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import TinyMeasure, hill, quiet, sum_of

from merging.errors import EvaluationError, ParameterError
from merging.evaluation import Estimate
from merging.search.axis import parameter_axis
from merging.search.guard import Guard, curve_of, drops, guard
from merging.search.plan import SweepPlan
from merging.search.points import Point
from merging.search.sweep import sweep


def drop(value: float, noise: float = 0.0) -> Estimate:
    return Estimate(value, value - noise, value + noise)


def curve(*values: float) -> list[tuple[float, dict[str, Estimate]]]:
    """One held-out task at λ = 0, 0.5, 1, ..."""
    return [(i / 2, {"t": drop(v)}) for i, v in enumerate(values)]


def test_the_largest_lambda_under_the_bound() -> None:
    found = guard(curve(0.0, 0.01, 0.03, 0.2), 0.05)
    assert found == Guard(1.0, 1.5, "t", drop(0.2))


def test_a_drop_that_equals_the_bound_is_allowed() -> None:
    assert guard(curve(0.0, 0.05, 0.06), 0.05).limit == 0.5


def test_a_curve_that_comes_back_stays_forbidden_behind_its_first_crossing() -> None:
    found = guard(curve(0.0, 0.02, 0.09, 0.01, 0.3, 0.0), 0.05)
    assert found.limit == 0.5 and found.stopped_at == 1.0
    assert found.again == (1.5, 2.5)


def test_all_allowed_and_none() -> None:
    assert guard(curve(0.0, 0.01, -0.2), 0.05) == Guard(1.0)
    found = guard(curve(0.1, 0.2), 0.05)
    assert (found.limit, found.stopped_at) == (None, 0.0)


def test_the_worst_task_decides() -> None:
    both = [(0.0, {"a": drop(0.0), "b": drop(0.0)}), (1.0, {"a": drop(0.07), "b": drop(0.1)})]
    assert guard(both, 0.05).task == "b"
    assert guard(both, 0.08).task == "b"
    assert guard(both, 0.1) == Guard(1.0)


def test_caution_looks_at_the_upper_end() -> None:
    noisy = [(0.0, {"t": drop(0.0, 0.01)}), (1.0, {"t": drop(0.03, 0.04)})]
    assert guard(noisy, 0.05).limit == 1.0
    assert guard(noisy, 0.05, cautious=True).limit == 0.0


def test_the_order_of_the_points_is_nothing() -> None:
    points = curve(0.0, 0.02, 0.09, 0.01)
    assert guard(points[::-1], 0.05) == guard(points, 0.05)


@given(st.lists(st.integers(-3, 10).map(lambda n: n / 100), min_size=1, max_size=9))
def test_up_to_the_limit_everything_is_under_the_bound(values: list[float]) -> None:
    found = guard(curve(*values), 0.05)
    under = [v <= 0.05 for v in values]
    allowed = 0 if found.limit is None else round(found.limit * 2) + 1
    assert all(under[:allowed])
    assert allowed == len(values) or not under[allowed]
    assert [round(a * 2) for a in found.again] == [
        i for i in range(allowed + 1, len(values)) if under[i]
    ]
    looser = guard(curve(*values), 0.08).limit
    assert found.limit is None or (looser is not None and looser >= found.limit)


def test_drops_are_paired_differences_of_accuracy() -> None:
    items = np.arange(100)
    base = {"a": items < 80, "b": items < 50, "c": items < 10}
    merged = {"a": items < 70, "b": items < 60, "c": items < 10}
    found = drops(base, merged, ["a", "b"])
    assert found["a"].value == pytest.approx(0.1) and found["b"].value == pytest.approx(-0.1)
    assert 0.03 < found["a"].low < 0.1 < found["a"].high < 0.17
    same = drops(base, merged, ["c"])["c"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("points", "bound", "kind", "message"),
    [
        ([], 0.1, EvaluationError, "no point to look at"),
        (curve(0.1), -0.1, ParameterError, "bound is -0.1"),
        (curve(0.1), float("nan"), ParameterError, "bound is nan"),
        ([*curve(0.1), *curve(0.2)], 0.1, EvaluationError, "the same λ twice"),
        ([(0.0, {})], 0.1, EvaluationError, "no held-out task"),
    ],
)
def test_what_is_refused(points, bound: float, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        guard(points, bound)


def test_drops_of_tasks_that_were_not_scored() -> None:
    with pytest.raises(EvaluationError, match="'z' was not scored"):
        drops({"a": np.ones(3, bool)}, {"a": np.ones(3, bool)}, ["z"])
    with pytest.raises(EvaluationError, match="No held-out task is chosen"):
        drops({}, {}, [])


def test_the_curve_of_a_sweep() -> None:
    """On the hill of ``hill`` the second task drops by 0.2 for each 1 of λ beyond 0.6."""
    measure = TinyMeasure()
    recipe = sum_of()
    plan = SweepPlan(recipe, (parameter_axis(recipe, "scale", values=(0.6, 1.1, 1.6, 1.85)),))
    found = sweep(plan, quiet, measure=measure, clock=measure.clock)
    bad = Point("λ = 9", None).failed(MemoryError())
    curve = curve_of([*found.points, bad], hill(sum_of(0.6)), ["second"])
    by_scale = {at: d["second"].value for at, d in curve}
    assert by_scale == pytest.approx({0.6: 0.0, 1.1: 0.1, 1.6: 0.2, 1.85: 0.25})
    assert guard(curve, 0.21).limit == 1.6
