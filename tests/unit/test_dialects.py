"""Where dialects part: options, distances by hand, refusals."""

import math

import pytest
from builders import State, checkpoints, experts, row, state

from merging.checkpoints import MemoryCheckpoint
from merging.dialects import Comparison, Distance, Option, compare, compare_models
from merging.errors import RecipeError, UnknownNameError
from merging.methods.registry import METHODS
from merging.recipe import Expert, Recipe, make_recipe

BASE = state(0)
MODELS = experts(BASE, 3, seed=4)


def compared(recipe: Recipe, base: State, models: dict[str, State]) -> dict[str, Comparison]:
    found = compare_models(
        recipe, MemoryCheckpoint("base", base), checkpoints(models), device="cpu"
    )
    return {c.dialect: c for c in found}


def test_distances_by_hand() -> None:
    """Task arithmetic of (3, 0) and (0, -4): λ 0.3 gives (0.9, -1.2), λ 1 gives (3, -4).

    Their difference (2.1, -2.8) is 3.5 long, our change 1.5.
    """
    base = {"v": row(0, 0), "w": row(1, 1)}
    models = {"a": {"v": row(3, 0), "w": row(1, 1)}, "b": {"v": row(0, -4), "w": row(1, 1)}}
    found = compared(make_recipe("task_arithmetic", ["a", "b"]), base, models)["mergekit"]
    assert found.options == (Option("scale", 0.3, 1.0),)
    assert [*found.tensors] == ["v", "w"]
    assert found.tensors["v"].relative == pytest.approx(3.5 / 1.5)
    assert found.tensors["v"].largest == pytest.approx(2.8)
    assert found.tensors["v"].signs == 0
    assert found.tensors["w"] == Distance(0.0, 0.0, 0.0, 2)
    assert found.whole is not None
    assert found.whole.relative == pytest.approx(3.5 / 1.5)
    assert (found.whole.count, found.refused) == (4, "")


def test_signs_that_differ_by_hand() -> None:
    """Deltas 1, -0.6 with weights 0.2, 0.8.

    The paper elects +, weighs afterwards and divides by the one who agrees: 0.2. mergekit weighs
    first, elects - and cancels the weight: -0.6.
    """
    base, models = {"w": row(0)}, {"a": {"w": row(1)}, "b": {"w": row(-0.6)}}
    recipe = make_recipe("ties", {"a": 0.2, "b": 0.8}, params={"density": 1.0})
    found = compared(recipe, base, models)["mergekit"]
    assert found.whole is not None
    assert found.whole.relative == pytest.approx(0.8 / 0.2)
    assert found.whole.largest == pytest.approx(0.8)
    assert found.whole.signs == 1


def test_no_change_is_a_sign_of_its_own() -> None:
    """A fifth of four weights is less than one: our merge keeps nothing, mergekit's keeps all."""
    base = {"w": row(0, 0, 0, 0)}
    models = {"a": {"w": row(4, 3, 2, 1)}}
    params = {"trim_rule": "exact", "trim_scope": "tensor"}
    found = compared(make_recipe("ties", ["a"], params=params), base, models)
    whole = found["mergekit"].whole
    assert whole is not None
    assert found["mergekit"].options[0] == Option("density", 0.2, 1.0)
    assert whole.signs == 1.0
    assert (whole.relative, whole.largest) == (math.inf, 4.0)


def test_where_nothing_changes_the_distance_is_zero() -> None:
    found = compared(make_recipe("ties", ["a"]), {"w": row(1, 2)}, {"a": {"w": row(1, 2)}})
    assert {d: c.whole for d, c in found.items()} == dict.fromkeys(
        ("mergekit", "peft", "fusion_bench"), Distance(0.0, 0.0, 0.0, 2)
    )


def test_what_the_recipe_says_is_not_left_open() -> None:
    said = {"scale": 0.5, "density": 0.3}
    recipe = make_recipe("ties", MODELS.keys(), params=said)
    found = compared(recipe, BASE, MODELS)
    assert [o.name for o in found["peft"].options] == ["trim_scope", "trim_rule", "zero_sign"]
    assert found["fusion_bench"].options == (Option("combine", "mean", "sum"),)


def test_what_every_expert_sets_for_itself_is_not_left_open() -> None:
    own = (("density", 0.5),)
    every = Recipe("ties", (Expert("e0", params=own), Expert("e1", params=own)))
    some = Recipe("ties", (Expert("e0", params=own), Expert("e1")))
    names = [[o.name for o in compared(r, BASE, MODELS)["mergekit"].options] for r in (every, some)]
    assert "density" not in names[0]
    assert "density" in names[1]


def test_from_another_dialect_the_paper_is_among_the_others() -> None:
    recipe = make_recipe("dare", MODELS.keys(), dialect="peft", params={"drop_rate": 0.5})
    found = compared(recipe, BASE, MODELS)
    assert [*found] == ["paper", "mergekit", "fusion_bench"]
    assert found["paper"].options == (Option("scale", 1.0, 0.3),)
    assert found["paper"].whole is not None
    assert found["paper"].whole.relative == pytest.approx(0.7, rel=1e-4)
    assert found["paper"].whole.signs == 0, "both sides draw the same masks"


def test_a_dialect_that_refuses_is_reported_with_its_sentence() -> None:
    recipe = make_recipe(
        "ties", {"e0": 1.0, "e1": -0.5}, params={"voters": "unweighted", "density": 1.0}
    )
    found = compared(recipe, BASE, MODELS)
    assert "combine weighted_mean divides by the sum of weights" in found["mergekit"].refused
    assert (found["mergekit"].whole, found["mergekit"].tensors) == (None, {})
    assert Option("combine", "mean", "weighted_mean") in found["mergekit"].options
    assert found["peft"].refused == ""


def test_equal_dialects_are_equal() -> None:
    found = compared(make_recipe("iso_c", MODELS.keys()), BASE, MODELS)["fusion_bench"]
    assert found.options == ()
    assert set(found.tensors.values()) == {Distance(0.0, 0.0, 0.0, BASE[n].numel()) for n in BASE}


def test_without_a_base_weights_take_the_place_of_changes() -> None:
    recipe = make_recipe("linear", ["e0", "e1"])
    found = compare_models(recipe, None, checkpoints(MODELS), device="cpu")
    assert [(c.dialect, c.options) for c in found] == [("mergekit", ()), ("fusion_bench", ())]
    assert found[0].whole is not None and found[0].whole.relative == 0


def test_a_method_with_one_dialect_needs_no_merge() -> None:
    def never(fraction: float, message: str) -> None:
        raise AssertionError

    one = next(m.id for m in METHODS if [*m.dialects] == ["paper"])
    recipe = make_recipe(one, ["e0", "e1", "e2"])
    assert compare_models(recipe, None, {}, never) == ()


def test_progress_runs_once_from_start_to_end() -> None:
    seen: list[float] = []
    base = MemoryCheckpoint("base", BASE)
    compare_models(
        make_recipe("ties", MODELS.keys()), base, checkpoints(MODELS),
        lambda done, word: seen.append(done), "cpu",
    )  # fmt: skip
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)


def test_a_bundled_set() -> None:
    recipe = make_recipe("task_arithmetic", ["digits", "fashion"], set="gentle")
    mergekit, _, fusion = compare(recipe, device="cpu")
    assert (mergekit.dialect, fusion.dialect) == ("mergekit", "fusion_bench")
    assert mergekit.whole is not None and fusion.whole is not None
    assert mergekit.whole.relative == pytest.approx(0.7 / 0.3, rel=1e-3)
    assert fusion.whole == Distance(0.0, 0.0, 0.0, mergekit.whole.count)


def test_sets_and_experts_must_exist() -> None:
    with pytest.raises(UnknownNameError, match="set"):
        compare(make_recipe("ties", ["digits"], set="none"))
    with pytest.raises(UnknownNameError, match="expert in the set gentle"):
        compare(make_recipe("ties", ["digit"], set="gentle"))


def test_what_the_recipe_itself_lacks_is_raised() -> None:
    with pytest.raises(RecipeError, match="TIES needs a base model"):
        compare_models(make_recipe("ties", ["e0"]), None, checkpoints(MODELS))


def test_folders_are_for_the_other_function() -> None:
    with pytest.raises(RecipeError, match="For folders use compare_models"):
        compare(make_recipe("ties", ["a", "b"], base="base"))
