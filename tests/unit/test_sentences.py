"""Sentences against the numbers they are made from."""

from dataclasses import replace

import pytest

from merging.analysis import Conflict, ConflictCount, Figure
from merging.checkpoints import Bucket
from merging.evaluation import Estimate
from merging.recipe import Expert, Recipe, make_recipe
from merging.sketch import ExpertPreview, Preview
from ui.views import sentences as s

FIVE = ("a", "b", "c", "d", "e")


def preview(survivors: tuple[int, ...], contested: int, kept: float, length: float) -> Preview:
    whole = Conflict.of((ConflictCount(survivors, contested),))
    experts = tuple(
        ExpertPreview(n, exact(kept), exact(kept**0.5), None) for n in FIVE[: len(survivors) - 1]
    )
    return Preview("k", {Bucket("L0", "q"): whole}, whole, experts, length=exact(length))


def exact(value: float) -> Figure:
    return Figure(value, value, value, True, 100)


LOST, EVEN = Estimate(-0.462, -0.48, -0.44), Estimate(0.004, -0.01, 0.02)


def test_the_first_sentence() -> None:
    recipe = make_recipe("task_arithmetic", FIVE, params={"scale": 1.0})
    text = s.verdict(recipe, Estimate(0.424, 0.40, 0.45), Estimate(0.886, 0.87, 0.9), LOST, None)
    assert text == (
        "Adding all five experts at full strength keeps 42 % of what its experts can do "
        "(95 % interval 40 to 45 %). Against the untouched base, which keeps 89 %: −46.2 points "
        "(−48.0 to −44.0)."
    )


def test_what_a_dialect_changes_is_named() -> None:
    assert s.unlike_the_paper(make_recipe("ties", FIVE)) == []
    assert s.unlike_the_paper(make_recipe("ties", FIVE, dialect="peft")) == [
        "trim over: tensor", "trim rule: exact", "tied votes: plus",
    ]  # fmt: skip


def test_a_run_says_all_that_makes_it_different() -> None:
    lone = make_recipe("ties", ["a"], params={"density": 0.3}, seed=4)
    assert s.settings_line(lone) == "TIES · d 0.3 · λ 1 · 1 expert"
    own = Recipe("ties", (Expert("a", params=(("density", 0.5),)), Expert("b", 0.5)))
    assert s.settings_line(own) == ("TIES · d a 0.5, b 0.2 · λ 1 · 2 experts · weights b 0.5")
    ordered = make_recipe("checkpoint_ema", ["b", "a"])
    assert s.settings_line(ordered) == "Checkpoint EMA · β 0.5 · b → a"


def test_whose_skills_are_kept_and_what_the_method_told() -> None:
    recipe = make_recipe("greedy_soup", ["a", "b"])
    mean, base = Estimate(0.9, 0.8, 1), Estimate(0.8, 0.7, 0.9)
    text = s.verdict(recipe, mean, base, EVEN, None, note="mean of a", all_merged=False)
    assert text.startswith(
        "Greedy soup of two experts (mean of a) keeps 90 % of what the experts of all tasks can do"
    )
    assert text.endswith("Against the untouched base, which keeps 80 %: +0.4 points, within noise.")


def test_nothing_is_promised_to_be_kept_where_the_merge_itself_decides() -> None:
    text = s.weights_sentence(make_recipe("consensus_ta", ["a"]), preview((0, 100), 0, 1.0, 0.4))
    assert text == (
        "With one expert there is nobody to disagree with. "
        "The merged change is 0.40 × as long as one expert's."
    )


def test_methods_on_whole_models_promise_nothing_beforehand() -> None:
    shown = replace(preview((0, 0, 100), 40, 1.0, 1.0), length=None)
    assert s.weights_sentence(make_recipe("emr", FIVE), shown).startswith(
        "EMR-Merging works on whole models: what it keeps, only merging tells. Where two or more"
    )
    assert s.live_line(shown).startswith("kept: after merging ·")


def test_the_line_of_narrow_pages() -> None:
    assert s.live_line(preview((0, 0, 100), 40, 0.2, 1.0)) == (
        "changes kept 20.0 % · signs clash 40.0 % · coin toss 50.0 %"
    )
    assert s.live_line(preview((100, 0, 0), 0, 0.0, 0.0)) == "changes kept 0.0 %"


@pytest.mark.parametrize(
    ("gap", "end"),
    [
        (Estimate(0.004, -0.01, 0.02), "Against Run 1: +0.4 points, within noise."),
        (Estimate(0.05, 0.03, 0.07), "Against Run 1: +5.0 points (+3.0 to +7.0)."),
        (Estimate(-0.05, -0.07, -0.03), "Against Run 1: −5.0 points (−7.0 to −3.0)."),
        (Estimate(0.02, 0.0, 0.04), "Against Run 1: +2.0 points, within noise."),
    ],
)
def test_a_difference_says_whether_it_is_noise(gap: Estimate, end: str) -> None:
    recipe = make_recipe("ties", FIVE)
    text = s.verdict(recipe, Estimate(0.9, 0.8, 1), Estimate(0.8, 0.7, 0.9), EVEN, gap, "Run 1")
    assert text.endswith(end)


@pytest.mark.parametrize(
    ("method", "experts", "params", "subject"),
    [
        ("task_arithmetic", FIVE, {"scale": 1.0}, "Adding all five experts at full strength"),
        ("task_arithmetic", ("a",), {"scale": 1.0}, "Adding the one expert at full strength"),
        ("task_arithmetic", FIVE, {"scale": 0.3}, "Task arithmetic of five experts at λ = 0.3"),
        ("linear", FIVE[:3], {}, "Averaging three experts"),
        ("dare_ties", FIVE[:2], {}, "DARE + TIES of two experts at λ = 0.3"),
    ],
)
def test_subjects(method: str, experts: tuple[str, ...], params: dict, subject: str) -> None:
    assert s.what_was_done(make_recipe(method, experts, params=params)) == subject


def test_what_waits_for_a_switch_is_told_when_it_is_on() -> None:
    params = {"shallow": 0.25, "depth_scaling": False}
    off = make_recipe("ties", ["a"], params=params)
    on = off.patched(params={"depth_scaling": True})
    assert s.settings_line(off) == "TIES · d 0.2 · λ 1 · 1 expert"
    assert s.settings_line(on) == (
        "TIES · d 0.2 · λ 1 · scale by depth yes · first block α 0.25 · 1 expert"
    )
    assert s.unlike_the_paper(off) == []
    assert s.unlike_the_paper(on) == ["scale by depth: yes", "first block α: 0.25"]


def test_a_control_declared_later_is_told_when_it_is_set() -> None:
    opcm = make_recipe("opcm", ["b", "a"])
    assert s.settings_line(opcm) == "OPCM · α 0.5 · b → a"
    early = opcm.patched(params={"after": 1})
    assert s.settings_line(early) == "OPCM · α 0.5 · Stop after 1 · b → a"


def test_settings_line_names_what_differs() -> None:
    recipe = make_recipe("ties", {"a": 1.0, "b": 0.5}, params={"density": 0.3, "combine": "sum"})
    line = s.settings_line(recipe)
    assert line == "TIES · d 0.3 · λ 1 · combine sum · 2 experts · weights b 0.5"


def test_weights_sentence_counts() -> None:
    shown = preview((10, 20, 60, 10), 14, 0.25, 1.234)
    assert s.weights_sentence(make_recipe("ties", FIVE[:3]), shown) == (
        "25.0 % of each expert's changes are kept, with 50 % of their squared length. "
        "Where two or more experts meet, signs clash at 20.0 % of the weights; "
        "coin tosses would clash at 53.6 %. The merged change is 1.23 × as long as one expert's."
    )


def test_everything_kept_one_expert_and_too_few() -> None:
    alone = s.weights_sentence(make_recipe("ties", ("a",)), preview((0, 100), 0, 1.0, 1.0))
    assert alone.startswith("Every change of every expert is kept. With one expert there is nobody")
    few = s.conflict_sentence(preview((100, 0, 49), 3, 0.1, 1.0))
    assert few == "Too few weights are kept by two or more experts to speak of conflict."


def test_shares_kept_that_differ_are_told_as_an_average() -> None:
    shown = preview((0, 60, 40), 20, 0.5, 1.0)
    assert "50.0 % of each expert's changes are kept" in s.weights_sentence(
        make_recipe("ties", FIVE[:2]), shown
    )
    more = replace(shown.experts[1], kept=exact(1.0))
    apart = replace(shown, experts=(shown.experts[0], more))
    assert "75.0 % of an expert's changes, on average, are kept" in s.weights_sentence(
        make_recipe("ties", FIVE[:2]), apart
    )
