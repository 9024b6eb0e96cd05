"""Intervals against published numbers, coverage, and the exactness of paired comparisons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.evaluation import Bits, compare, intervals, normalised, wilson


def bits(share: float, count: int, seed: int) -> Bits:
    return np.random.default_rng(seed).random(count) < share


# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(correct: int, total: int, low: float, high: float) -> None:
    found = wilson(correct, total)
    assert found.value == correct / total
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_at_the_ends() -> None:
    assert wilson(0, 7).low == 0
    assert wilson(7, 7).high == 1
    assert wilson(7, 7).low == pytest.approx(1 - wilson(0, 7).high)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_value(pair: tuple[int, int]) -> None:
    found = wilson(*pair)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert wilson(4 * pair[0], 4 * pair[1]).low >= found.low - 1e-12


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (0, 0), (-1, 5), (6, 5)])
def test_wilson_of_no_share(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"{correct} of {total} is no share"):
        wilson(correct, total)


def test_wilson_covers_nineteen_times_in_twenty() -> None:
    draws = np.random.default_rng(0).binomial(60, 0.8, size=2000)
    hits = [wilson(int(c), 60).low <= 0.8 <= wilson(int(c), 60).high for c in draws]
    assert 0.93 < np.mean(hits) < 0.97


OWN = {"a": bits(0.9, 200, 0), "b": bits(0.8, 100, 1)}
RUN = {"a": bits(0.6, 200, 2), "b": bits(0.7, 100, 3)}


def test_normalised_scores_by_hand() -> None:
    """8 of 10 where the own expert has 10 of 10, and 3 of 10 against 6: 0.8, 0.5, mean 0.65."""
    own = {"a": np.ones(10, bool), "b": np.arange(10) < 6}
    run = {"a": np.arange(10) < 8, "b": np.arange(10) < 3}
    tasks, mean = normalised(run, own)
    assert {t: e.value for t, e in tasks.items()} == {"a": 0.8, "b": 0.5}
    assert mean.value == pytest.approx(0.65)


def test_an_own_expert_is_exactly_one_with_no_spread() -> None:
    tasks, mean = normalised(OWN, OWN)
    for estimate in (*tasks.values(), mean):
        assert (estimate.value, estimate.low, estimate.high) == (1, 1, 1)


def test_identical_runs_differ_by_exactly_zero() -> None:
    found = compare(RUN, {t: b.copy() for t, b in RUN.items()}, OWN)
    for _, gap in (*found.tasks.values(), found.mean):
        assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_pairing_is_tighter_than_two_separate_intervals() -> None:
    """Two runs that differ on two of 200 items: the gap is known far better than the scores."""
    other = {"a": RUN["a"].copy(), "b": RUN["b"]}
    wrong = np.flatnonzero(~other["a"])[:2]
    other["a"][wrong] = True
    score, gap = compare(other, RUN, OWN).tasks["a"]
    assert gap.value == pytest.approx(2 / OWN["a"].sum())
    assert gap.high - gap.low < 0.3 * (score.high - score.low)
    assert gap.low >= 0


def test_turning_a_comparison_round_turns_its_sign() -> None:
    there, back = compare(OWN, RUN, OWN).mean[1], compare(RUN, OWN, OWN).mean[1]
    assert there.value == -back.value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-2)


def test_the_seed_decides_every_draw() -> None:
    assert compare(RUN, OWN, OWN, seed=4) == compare(RUN, OWN, OWN, seed=4)
    assert compare(RUN, OWN, OWN, seed=4) != compare(RUN, OWN, OWN, seed=5)


def test_order_of_tasks_plays_no_part() -> None:
    backwards = {t: RUN[t] for t in reversed(RUN)}
    assert compare(backwards, OWN, OWN) == compare(RUN, OWN, OWN)


def test_bootstrap_covers_the_truth() -> None:
    """Both models drawn anew 200 times at 0.6 and 0.8: the ratio is 0.75."""
    hits = 0
    for seed in range(200):
        run, own = bits(0.6, 150, 2 * seed), bits(0.8, 150, 2 * seed + 1)
        tasks, _ = normalised({"a": run}, {"a": own}, seed)
        hits += tasks["a"].low <= 0.75 <= tasks["a"].high
    assert 0.90 <= hits / 200 <= 0.99


def test_intervals_shrink_with_the_number_of_items() -> None:
    few, many = (normalised({"a": bits(0.6, n, 0)}, {"a": bits(0.9, n, 1)})[1] for n in (50, 5000))
    assert many.high - many.low < 0.2 * (few.high - few.low)


def test_a_task_nobody_solves_gives_zero_and_no_error() -> None:
    none = {"a": np.zeros(20, bool)}
    tasks, mean = normalised(none, none)
    assert (tasks["a"].value, tasks["a"].low, tasks["a"].high, mean.value) == (0, 0, 0, 0)


def test_what_was_compared_before_is_told_again_for_the_same_items_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []
    ratios = intervals._ratios
    monkeypatch.setattr(intervals, "_ratios", lambda *told: drawn.append(told) or ratios(*told))
    own, other = {"a": np.ones(31, bool)}, {"a": np.arange(31) % 3 == 1}
    run = {"a": np.arange(31) % 2 == 0}
    first = compare(run, other, own, seed=7)
    assert len(drawn) == 1
    assert compare({"a": run["a"].copy()}, other, own, seed=7) == first and len(drawn) == 1
    run["a"][0] = False  # the same array, another answer
    changed = compare(run, other, own, seed=7)
    assert len(drawn) == 2 and changed.mean[0].value == pytest.approx(15 / 31)
    assert first.mean[0].value == pytest.approx(16 / 31)
    assert compare(run, other, own, seed=8) != changed
