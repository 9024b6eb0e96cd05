"""Paths through known barriers, and how high places are, by hand."""

import numpy as np
import pytest
from tiny_ground import TinyGround, judged
from tiny_measure import CancelAfter, quiet

from merging.evaluation.judged import Judged
from merging.search.heights import Height
from merging.search.path import Path, barrier, straight_path

ACCURACY, LOSS = Height("accuracy", ("t",)), Height("loss", ("t",))


def path_of(*heights: float, items: int = 1000) -> Path:
    steps = {i: judged(h, 1 - h, items) for i, h in enumerate(heights)}
    return Path(("a", "b"), 1.0, len(heights), steps)


def walked(ground, report=quiet, **how) -> Path:
    ends = ("base", "a")
    models = tuple(ground.weights(name) for name in ends)
    return straight_path(ground, ends, models, report, **how)


def test_every_step_is_judged_at_its_own_weights() -> None:
    seen: list[Path] = []
    found = walked(TinyGround(), on_point=seen.append, threads=1)
    assert found.distance == pytest.approx(3) and found.ended == "complete"
    for step, one in found.steps.items():
        assert ACCURACY.of(one) == pytest.approx((1 + 3 * step / 20) / 10, abs=6e-4)
    assert [sorted(s.steps) for s in seen[:3]] == [[0], [0, 10], [0, 10, 20]]
    line = barrier(found, ACCURACY)
    assert line is not None and line.size < 0.001 and not line.clear


def test_a_known_barrier() -> None:
    """From 0.8 to 0.6 by way of 0.3: on the line 0.7 stands in the middle, so 0.4 are lost."""
    found = barrier(path_of(0.8, 0.6, 0.3, 0.6, 0.6), ACCURACY)
    assert found is not None and found.clear
    assert (found.at, found.size) == pytest.approx((0.5, 0.4))
    assert 0.01 < found.noise < 0.08
    assert found.interval.low == pytest.approx(0.4 - found.noise)
    lost = barrier(path_of(0.8, 0.6, 0.3, 0.6, 0.6), LOSS)
    assert lost is not None and (lost.at, lost.size) == pytest.approx((0.5, 0.4))
    assert lost.noise == pytest.approx(0, abs=1e-9)  # every item loses the same


def test_a_ridge_has_no_barrier() -> None:
    found = barrier(path_of(0.5, 0.7, 0.8, 0.7, 0.5), ACCURACY)
    assert found is not None and (found.size, found.at, found.clear) == (0, 0, False)


def test_a_dip_of_few_items_is_within_noise() -> None:
    found = barrier(path_of(0.6, 0.6, 0.58, 0.6, 0.6, items=50), ACCURACY)
    assert found is not None and found.size == pytest.approx(0.02) and not found.clear
    assert found.interval.low == 0


def test_noise_allows_for_picking_the_worst_of_all_steps() -> None:
    """Twenty steps of the same true height: by chance alone few seem to have a barrier."""
    clear = 0
    for seed in range(40):
        source = np.random.default_rng(seed)
        steps = {i: Judged({"t": source.random(100) < 0.6}, {"t": np.ones(100)}) for i in range(21)}
        found = barrier(Path(("a", "b"), 1.0, 21, steps), ACCURACY)
        assert found is not None
        clear += found.clear
    assert clear <= 4


def test_no_barrier_before_both_ends_and_a_step_between_are_there() -> None:
    whole = path_of(0.8, 0.6, 0.3)
    for known in ([0], [0, 1], [0, 2], [1, 2]):
        part = Path(("a", "b"), 1.0, 3, {s: whole.steps[s] for s in known})
        assert barrier(part, ACCURACY) is None


def test_a_loss_without_end_is_a_barrier_without_end() -> None:
    found = barrier(
        Path(("a", "b"), 1.0, 3, {0: judged(1, 0), 1: judged(0, np.inf), 2: judged(1, 0)}), LOSS
    )
    assert found is not None and found.size == np.inf and found.at == 0.5 and found.clear


def test_what_was_cancelled_keeps_its_steps() -> None:
    found = walked(TinyGround(), CancelAfter(8), threads=1)
    assert found.ended == "cancelled" and 2 <= len(found.steps) < 21


def test_heights_by_hand() -> None:
    one = Judged(
        {"t": np.array([1, 1, 0, 0], bool), "u": np.array([1, 0], bool)},
        {"t": np.array([0.0, 1.0, 2.0, 5.0]), "u": np.array([1.0, 3.0])},
    )
    own = {"t": np.array([1, 1, 1, 0], bool), "u": np.array([1, 1], bool)}
    both = ("t", "u")
    assert Height("accuracy", both).of(one) == pytest.approx(0.5)
    assert Height("share", both, own).of(one) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert Height("loss", both).of(one) == pytest.approx(2.0)
    assert Height("accuracy", ("u",)).of(one) == 0.5
    # variances of the means: 0.25 / 4 and 0.25 / 2; half the root of their sum
    assert Height("accuracy", both).error(one) == pytest.approx((0.0625 + 0.125) ** 0.5 / 2)


def test_the_best_has_most_right_or_least_loss() -> None:
    models = [judged(0.5, 3.0), judged(0.7, 2.0), judged(0.7, 1.0)]
    assert ACCURACY.best(models) == 1 and LOSS.best(models) == 2
    assert Height("share", ("t",), {"t": np.zeros(1000, bool)}).of(models[0]) == 500
    assert LOSS.error(judged(0.5, np.inf)) == np.inf
