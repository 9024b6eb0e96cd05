"""Planes and vectors of whole models against closed forms."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import tensor

from merging.checkpoints import MemoryCheckpoint
from merging.errors import CompatibilityError
from merging.search.flat import Layout, dot, length
from merging.search.plane import Plane

BASE = tensor([1.0, 1.0, 1.0])
NUMBERS = st.floats(-3, 3, width=32)
VECTORS = st.lists(NUMBERS, min_size=4, max_size=4).map(lambda v: torch.tensor(v))
NAMES = ("one", "other")


def plane() -> Plane:
    """Task vectors (3, 0, 0) and (1, 2, 0): lengths 3 and the root of 5."""
    return Plane.through(BASE, tensor([4.0, 1, 1]), tensor([2.0, 3, 1]), NAMES)


def test_axes_by_hand() -> None:
    frame = plane().frame
    assert (frame.first, frame.along, frame.across) == (3.0, 1.0, 2.0)
    assert frame.cosine == pytest.approx(1 / 5**0.5)
    assert frame.place(1, 0) == (3, 0) and frame.place(0, 1) == (1, 2)
    assert frame.place(1, 1) == (4, 2) and frame.shares(2, 1) == (0.5, 0.5)


def test_where_a_model_stands_by_hand() -> None:
    """(2, 4, 7) changes the base by (1, 3, 6): the foot is (1, 3), and it is 6 off."""
    spot = plane().spot(tensor([2.0, 4, 7]))
    assert (spot.x, spot.y, spot.off) == pytest.approx((1, 3, 6))
    assert spot.far == pytest.approx(46**0.5)
    assert spot.outside == pytest.approx(6 / 46**0.5)
    assert plane().spot(BASE).outside == 0


def test_the_square_holds_base_experts_and_sum_in_its_middle() -> None:
    grid = plane().frame.grid(21)
    assert grid.step == pytest.approx(1.3 * 4 / 20)
    assert grid.xs[0] == pytest.approx(2 - 2.6) and grid.xs[-1] == pytest.approx(2 + 2.6)
    assert grid.ys[0] == pytest.approx(1 - 2.6) and grid.ys[-1] == pytest.approx(1 + 2.6)
    assert grid.at(20, 10) == pytest.approx((grid.xs[20], grid.ys[10]))


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        ([1.0, 1, 1], [2.0, 3, 1], "one is the base itself"),
        ([4.0, 1, 1], [1.0, 1, 1], "other is the base itself"),
        ([4.0, 1, 1], [7.0, 1, 1], "one and other lie on one line"),
        ([4.0, 1, 1], [-7.0, 1, 1], "one and other lie on one line"),
    ],
)
def test_three_on_a_line_span_no_plane(first: list, second: list, named: str) -> None:
    with pytest.raises(CompatibilityError, match=named):
        Plane.through(BASE, tensor(first), tensor(second), NAMES)


@given(VECTORS, VECTORS, VECTORS, NUMBERS, NUMBERS)
def test_distances_on_the_map_are_true(base, one, two, a: float, b: float) -> None:
    try:
        found = Plane.through(base, base + one, base + two, NAMES)
    except CompatibilityError:
        assume(False)
    assume(found.frame.across > 0.05 and found.frame.first > 0.05)
    here, there = found.weights(a, b), found.weights(b, -a)
    spots = found.spot(here), found.spot(there)
    assert (spots[0].x, spots[0].y) == pytest.approx(found.frame.place(a, b), abs=1e-3)
    assert spots[0].off == pytest.approx(0, abs=1e-3)
    on_map = ((spots[0].x - spots[1].x) ** 2 + (spots[0].y - spots[1].y) ** 2) ** 0.5
    assert on_map == pytest.approx(length(here - there), abs=1e-3)
    assert found.frame.shares(*found.frame.place(a, b)) == pytest.approx((a, b), abs=1e-6)


@given(VECTORS)
def test_the_foot_is_the_nearest_place(model) -> None:
    base = torch.zeros(4)
    found = Plane.through(base, tensor([3.0, 0, 0, 0]), tensor([1.0, 2, 0, 0]), NAMES)
    spot = found.spot(model)
    a, b = found.frame.shares(spot.x, spot.y)
    gap = model - found.weights(a, b)
    assert length(gap) == pytest.approx(spot.off, abs=1e-5)
    assert dot(gap, found.first) == pytest.approx(0, abs=1e-4)
    assert dot(gap, found.second) == pytest.approx(0, abs=1e-4)
    assert spot.far**2 == pytest.approx(spot.off**2 + spot.x**2 + spot.y**2, abs=1e-4)


def test_a_buffer_takes_the_weights() -> None:
    buffer = torch.empty(3)
    found = plane().weights(0.5, 0.5, buffer)
    assert found is buffer and buffer.tolist() == [3.0, 2.0, 1.0]


def test_a_model_becomes_a_vector_and_back() -> None:
    weights = {"w": torch.arange(6.0).view(2, 3).half(), "b": tensor([7.0]), "s": tensor(8.0)}
    model = MemoryCheckpoint("m", {**weights, "ids": tensor([1, 2])})
    layout = Layout.of(model)
    vector = layout.read(model, "m")
    assert layout.size == 8 and vector.dtype == torch.float32
    assert vector.tolist() == [7, 8, 0, 1, 2, 3, 4, 5]
    views = layout.views(vector)
    assert all(torch.equal(views[n], weights[n].float()) for n in weights)
    vector.zero_()
    assert not views["w"].any()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"w": torch.ones(3, 2)}, "'w' is 3 x 2 in that one and 2 x 3 in the base"),
        ({"v": torch.ones(2, 3)}, "that one has no tensor 'w'"),
    ],
)
def test_models_that_do_not_fit_are_named(other: dict, said: str) -> None:
    layout = Layout.of(MemoryCheckpoint("base", {"w": torch.ones(2, 3)}))
    with pytest.raises(CompatibilityError, match=said):
        layout.read(MemoryCheckpoint("x", other), "that one")
    with pytest.raises(CompatibilityError, match=said):
        layout.flat(other, "that one")
