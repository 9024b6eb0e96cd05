"""Figures with intervals: by hand, at their limits, and as often right as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.analysis import Conflict, ConflictCount, Figure, ratio, share, strata, total
from merging.analysis.figures import Moments
from merging.evaluation.intervals import wilson

ENDLESS = 1e15


def test_a_small_sample_of_an_endless_population_by_hand() -> None:
    """Wilson's interval at the size that has the variance estimated: 99 for 40 of 100."""
    found = share(strata(100, ENDLESS), 40)
    assert found is not None
    z2 = 1.959963984540054**2
    centre, reach = (0.4 + z2 / 198) / (1 + z2 / 99), math.sqrt(0.24 / 99 + z2 / 198**2)
    half = math.sqrt(z2) * reach / (1 + z2 / 99)
    assert (found.value, found.exact, found.basis) == (0.4, False, 100)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert (found.low, found.high) == pytest.approx(
        (wilson(40, 100).low, wilson(40, 100).high), abs=1e-3
    )


def test_what_is_counted_whole_is_exact() -> None:
    found = share(strata([100, 50], [100, 50]), [40, 5], [80, 10])
    assert found == Figure(0.5, 0.5, 0.5, True, 90)


def test_half_of_a_population_leaves_half_of_the_variance() -> None:
    part, endless = (share(strata(1000, n), 300) for n in (2000, ENDLESS))
    assert part is not None and endless is not None
    widths = (part.high - part.low, endless.high - endless.low)
    assert widths[0] == pytest.approx(widths[1] * 0.5**0.5, rel=1e-3)


def test_strata_count_for_what_they_hold() -> None:
    """A whole stratum of 100 and 10 of 900: each of those stands for 90."""
    found = share(strata([100, 10], [100, 900]), [10, 5])
    assert found is not None
    assert found.value == pytest.approx((10 + 450) / 1000)
    alone = share(strata(10, 900), 5)
    assert alone is not None
    assert found.high - found.low < alone.high - alone.low


def test_none_and_all_have_intervals_too() -> None:
    none, every = (share(strata(100, ENDLESS), hits) for hits in (0, 100))
    assert none is not None and every is not None
    assert (none.value, none.low) == (0, 0) and 0.03 < none.high < 0.04
    assert (every.value, every.high) == (1, 1) and 0.96 < every.low < 0.97


def test_a_condition_that_nothing_meets_has_no_share() -> None:
    assert share(strata(100, 1000), 0, 0) is None


@pytest.mark.parametrize(("basis", "few"), [(49, True), (50, False)])
def test_under_fifty_are_too_few(basis: int, few: bool) -> None:
    found = share(strata(1000, ENDLESS), 20, basis)
    assert found is not None and found.too_few is few


def test_a_looked_up_cut_widens_what_would_be_exact() -> None:
    found = share(strata(100, 100, slack=0.01), 40)
    assert found is not None and not found.exact
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.392, 0.408))


def test_a_ratio_stays_between_what_it_cannot_leave() -> None:
    """Chance levels of four experts lie between 1/2 and 7/8."""
    y = np.array([0.5 * 90 + 0.875 * 10])
    x, yy = np.array([100.0]), np.array([0.25 * 90 + 0.875**2 * 10])
    found = ratio(strata(100, ENDLESS), Moments(y, x, yy, y, x), 100, 0.5, 0.875)
    assert found is not None
    assert found.value == pytest.approx(0.5375)
    assert 0.5 < found.low < found.value < found.high < 0.875


def test_a_total_by_hand() -> None:
    """Two of four numbers, 1 and 3: total 8, variance 16 (1 - 1/2) 2 / 2."""
    found = total(strata(2, 4), np.array([4.0]), np.array([10.0]))
    assert found.value == 8
    assert found.high - 8 == pytest.approx(1.959963984540054 * 8**0.5)
    assert found.times(0.5).value == 4 and not found.exact


@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 10_000))
def test_ends_enclose_the_value(counted: int, hits: int, rest: int) -> None:
    found = share(strata(counted, counted + rest), min(hits, counted))
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.exact is (rest == 0)


def _population(source: np.random.Generator, experts: int) -> np.ndarray:
    """How many coordinates of each kind: kept by m experts, in agreement or contested."""
    shares = source.dirichlet(np.ones(2 * experts))
    return source.multinomial(int(source.integers(20_000, 400_000)), shares)


def _count(kinds: np.ndarray, population: int | None = None) -> ConflictCount:
    """Kinds are 0, 1 survivor, then agreeing and contested of 2 and more."""
    apart = kinds[2:].reshape(-1, 2)
    survivors = (*kinds[:2].tolist(), *apart.sum(1).tolist())
    return ConflictCount(survivors, int(apart[:, 1].sum()), population)


@pytest.mark.parametrize("strata_count", [1, 6])
def test_intervals_cover_the_exact_figures_as_often_as_they_say(strata_count: int) -> None:
    """1,000 random populations, each sampled once: 95 % within noise."""
    source = np.random.default_rng(strata_count)
    names = ("share", "chance", "agree", "disjoint", "contested", "untouched")
    covered, asked = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for _ in range(1000):
        experts = int(source.integers(3, 7))
        kinds = [_population(source, experts) for _ in range(strata_count)]
        drawn = [source.multivariate_hypergeometric(k, 2000) for k in kinds]
        truth = Conflict.of(tuple(_count(k) for k in kinds))
        found = Conflict.of(
            tuple(_count(d, int(k.sum())) for d, k in zip(drawn, kinds, strict=True))
        )
        for name in names:
            right, told = getattr(truth, name), getattr(found, name)
            if told is not None and not told.too_few:
                asked[name] += 1
                covered[name] += told.low <= right.value <= told.high
    assert min(asked.values()) > 950
    for name in names:
        assert 0.93 <= covered[name] / asked[name] <= 0.97, name


def test_a_looked_up_cut_widens_what_was_sampled() -> None:
    """Twice the slack of the share, also where not all was counted."""
    nearly = share(strata([999], [1000], slack=0.01), [200])
    known = share(strata([999], [1000]), [200])
    assert nearly is not None and known is not None
    assert known.low - nearly.low == pytest.approx(nearly.high - known.high)
    assert nearly.high - known.high == pytest.approx(0.02 * 200 / 999)
