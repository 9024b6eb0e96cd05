"""Figures with their noise, claims and texts: by hand, and paired where it counts."""

import numpy as np
import pytest

from merging.analysis import Figure
from merging.evaluation import Estimate, compare
from merging.lessons import samples
from merging.lessons.fill import figure_text
from merging.lessons.judge import judge, matches
from merging.lessons.model import Choice, Claim, Condition
from merging.lessons.samples import Sample, share_of_own

TEXTS = {"held": "", "not": "", "close": ""}


def bits(right: int, of: int = 200) -> np.ndarray:
    return np.arange(of) < right


def test_a_share_is_the_mean_of_ratios() -> None:
    own = {"a": bits(160), "b": bits(100)}
    found = share_of_own({"a": bits(80), "b": bits(100)}, own, ["a", "b"])
    assert found is not None and found.value == pytest.approx((0.5 + 1) / 2)
    assert share_of_own({"a": bits(80)}, own, []) is None


def test_the_own_expert_is_at_one_without_noise() -> None:
    found = share_of_own({"a": bits(160)}, {"a": bits(160)}, ["a"])
    assert found is not None and found.estimate == Estimate(1.0, 1.0, 1.0)


def test_differences_have_the_noise_of_the_paired_bootstrap() -> None:
    rng = np.random.default_rng(0)
    own = {t: rng.random(250) < 0.9 for t in "ab"}
    one = {t: own[t] & (rng.random(250) < 0.9) for t in "ab"}
    two = {t: one[t] & (rng.random(250) < 0.95) for t in "ab"}
    first, second = (share_of_own(answers, own, "ab") for answers in (one, two))
    assert first is not None and second is not None
    gap, want = first.minus(second).estimate, compare(one, two, own).mean[1]
    assert gap.value == pytest.approx(want.value)
    assert gap.low == pytest.approx(want.low, abs=0.006)
    assert gap.high == pytest.approx(want.high, abs=0.006)
    alone = first.estimate
    assert gap.high - gap.low < alone.high - alone.low  # unpaired it would be 1.4 times as wide


def of(value: float, *draws: float) -> Sample:
    return Sample(value, np.array(draws))


def test_operations_by_hand() -> None:
    line = [of(0.5, 0.4, 0.8), of(0.9, 0.9, 0.7), of(0.7, 0.2, 0.6)]
    assert samples.lowest(line).draws.tolist() == [0.2, 0.6] and samples.lowest(line).value == 0.5
    assert samples.spread(line).value == pytest.approx(0.4)
    assert samples.spread(line).draws.tolist() == pytest.approx([0.7, 0.2])
    assert samples.mean(line).value == pytest.approx(0.7)
    place = samples.best_place([0, 1, 2], line)
    assert place.value == 1 and place.draws.tolist() == [1, 0]
    kept = of(0.9, 0.8, 1.0).gain_kept(of(0.6, 0.6, 0.5))
    assert kept.value == pytest.approx(0.75) and kept.draws.tolist() == pytest.approx([0.5, 1.0])


def test_a_base_as_good_as_the_expert_has_no_gain() -> None:
    assert np.isnan(of(1.0, 1.0).gain_kept(of(1.0, 1.0)).value)
    assert figure_text(Estimate(float("nan"), 0, 0), "share") == "–"


def test_counts_are_exact_or_spread_over_their_interval() -> None:
    assert samples.counted(Figure(0.4, 0.4, 0.4, True, 99)).estimate == Estimate(0.4, 0.4, 0.4)
    told = samples.counted(Figure(0.4, 0.3, 0.5, False, 99)).estimate
    assert told.low == pytest.approx(0.305, abs=1e-3) and told.high == pytest.approx(
        0.495, abs=1e-3
    )


@pytest.mark.parametrize(
    ("relation", "low", "high", "want"),
    [
        ("above", 0.01, 0.1, "held"),
        ("above", -0.1, -0.01, "not"),
        ("above", -0.01, 0.1, "close"),
        ("below", -0.1, -0.01, "held"),
        ("below", 0.01, 0.1, "not"),
        ("below", -0.1, 0.01, "close"),
        ("near", -0.04, 0.04, "held"),
        ("near", 0.06, 0.1, "not"),
        ("near", -0.1, -0.06, "not"),
        ("near", -0.04, 0.06, "close"),
    ],
)
def test_claims_are_judged_by_intervals(relation, low: float, high: float, want: str) -> None:
    gap = np.linspace(low, high, 2001)
    known = {"a": Sample(0.5 + gap.mean(), 0.5 + gap), "b": samples.exact(0.5)}
    claim = Claim("c", "a", relation, "b", "held", TEXTS, within=0.05)
    known["b"] = Sample(0.5, np.full(2001, 0.5))
    assert judge(claim, known) == want


def test_a_choice_is_right_where_all_its_conditions_are_so() -> None:
    figures, outcomes = {"q": Estimate(0.4, 0.3, 0.5)}, {"c": "held"}
    inside, outside = Condition(quantity="q", low=0.4, high=0.5), Condition(quantity="q", high=0.4)
    held, close = Condition(claim="c", outcome="held"), Condition(claim="c", outcome="close")
    for when, want in (([inside, held], True), ([inside, close], False), ([outside, held], False)):
        assert matches(Choice("", tuple(when)), figures, outcomes) is want


@pytest.mark.parametrize(
    ("unit", "interval", "want"),
    [
        ("share", False, "94.8 %"),
        ("share", True, "94.8 % (95 % interval −1.0 to 96.2)"),
        ("points", False, "94.8 points"),
        ("number", True, "0.948"),
    ],
)
def test_figures_in_words(unit, interval: bool, want: str) -> None:
    assert figure_text(Estimate(0.948, -0.01, 0.962), unit, interval) == want
    assert figure_text(Estimate(-0.0001, -0.0001, 0), "points") == "0.0 points"
    assert figure_text(Estimate(1.0, 1.0, 1.0), "share", True) == "100.0 %"
