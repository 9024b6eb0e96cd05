"""Fronts by brute force; the best and the simplest within noise by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tiny_measure import TASKS, share, sum_of

from merging.recipe import Recipe, make_recipe
from merging.search.pareto import (
    best_mean,
    complexity,
    front,
    pareto,
    simplest_within_noise,
    within_noise,
)
from merging.search.points import Point

OWN = {task: share(1.0) for task in TASKS}
SCORES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 4).map(float), min_size=width, max_size=width), max_size=12
    )
)


def point(first: float, second: float, recipe: Recipe | None = None) -> Point:
    blank = Point("", recipe or sum_of())
    return blank.answered({"first": share(first), "second": share(second)}, OWN, 1.0)


def beats(a: list[float], b: list[float]) -> bool:
    return all(x >= y for x, y in zip(a, b, strict=True)) and a != b


@given(SCORES)
def test_the_front_is_what_nothing_beats(rows: list[list[float]]) -> None:
    want = tuple(i for i, row in enumerate(rows) if not any(beats(other, row) for other in rows))
    assert front(rows) == want
    assert not rows or want


def test_equal_rows_are_on_the_front_together() -> None:
    assert front([[1.0, 2.0], [1.0, 2.0], [0.5, 2.0]]) == (0, 1)


def test_failed_points_are_on_no_front() -> None:
    bad = Point("λ = 3", None).failed(MemoryError())
    assert pareto([bad, point(0.5, 0.9), point(0.4, 0.9), point(0.9, 0.1)]) == (1, 3)
    assert pareto([bad]) == ()
    assert best_mean([bad]) is None
    assert simplest_within_noise([bad], OWN) is None


def test_the_best_mean_by_hand() -> None:
    assert best_mean([point(0.5, 0.5), point(0.2, 1.0), point(0.9, 0.2)]) == 1


def test_of_equal_means_the_simplest_then_the_first() -> None:
    far, near = sum_of(0.5), sum_of(0.3)
    assert best_mean([point(0.5, 0.5, far), point(0.5, 0.5, near), point(0.5, 0.5, near)]) == 1


def test_the_simplest_that_is_not_clearly_worse() -> None:
    """40 items a task: one item is noise, twenty are not."""
    near, far, farther = sum_of(0.3), sum_of(0.5), sum_of(0.9)
    close = [point(0.9, 0.9, farther), point(0.9, 0.875, near), point(0.9, 0.9, far)]
    assert best_mean(close) == 2
    assert simplest_within_noise(close, OWN) == 1
    apart = [point(0.9, 0.9, farther), point(0.4, 0.4, near), point(0.9, 0.875, far)]
    assert simplest_within_noise(apart, OWN) == 2


def test_noise_is_judged_on_the_same_items() -> None:
    """Three items of 1,000 that one run has besides all of the other's are no noise of both."""
    items = np.arange(1000)
    more, less = {"t": items < 510}, {"t": items < 480}
    own = {"t": items < 1000}
    assert not within_noise(less, more, own)
    assert within_noise(more, less, own)
    shifted = {"t": (items >= 500) & (items < 980)}
    assert within_noise(shifted, more, own)


def test_less_is_simpler() -> None:
    plain = make_recipe("ties", "abc")
    assert complexity(make_recipe("ties", "ab")) < complexity(plain)
    assert complexity(make_recipe("ties", {"a": 1.0, "b": 1.0, "c": 0.0})) < complexity(plain)
    assert complexity(plain) < complexity(plain.patched(params={"scale": 0.9}))
    assert complexity(plain.patched(params={"scale": 0.9})) < complexity(
        plain.patched(params={"scale": 0.5})
    )
    assert complexity(plain.patched(params={"scale": 0.5})) < complexity(
        plain.patched(params={"scale": 0.9, "density": 0.5})
    )
    assert complexity(plain) < complexity(plain.patched(weights={"a": 0.5}))
    dare = make_recipe("dare", "ab")
    assert complexity(dare) == complexity(dare.patched(seed=9))
