"""Values per layer and tensor: what holds where, and that every engine path follows it."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from merging.engine import make_plan, run
from merging.engine.adapters import check_alone
from merging.errors import ParameterError, RecipeError
from merging.methods.params import Value
from merging.recipe import Expert, Recipe, make_recipe
from merging.recipe.local import Curve, Local, Rule, Spot, spots_of
from tests.unit.builders import State, checkpoints, experts, flat, merge, state

LAYERS = 4
SHAPES = {
    "embed.weight": (6, 4),
    **{f"layers.{n}.mlp.weight": (5, 4) for n in range(LAYERS)},
    **{f"layers.{n}.attn.weight": (4, 4) for n in range(LAYERS)},
    "norm.weight": (4,),
}
BASE = state(1, shapes=SHAPES)
MODELS = {
    f"e{i}": {n: BASE[n] + d for n, d in state(10 + i, 0.1, SHAPES).items()} for i in range(2)
}


def curve(*values: Value) -> Curve:
    return Curve(values)


def weigh(*rules: Rule, expert: str = "e0") -> Local:
    return Local("weight", rules, expert)


def test_spots_tell_layers_stacks_and_what_stands_behind() -> None:
    names = [
        *("encoder.block.0.w", "encoder.block.2.w", "decoder.block.0.layer.5.w"),
        *("shared.weight", "decoder.final_layer_norm.weight", "lm_head.weight"),
    ]
    spots = spots_of(names)
    assert spots["encoder.block.2.w"] == Spot("encoder.block.2.w", 2, 3)
    assert spots["decoder.block.0.layer.5.w"] == Spot("decoder.block.0.layer.5.w", 0, 1)
    assert spots["shared.weight"] == Spot("shared.weight", None, 3)
    assert spots["lm_head.weight"] == Spot("lm_head.weight", None, 3, after=True)
    assert spots["decoder.final_layer_norm.weight"].after


@pytest.mark.parametrize(
    ("values", "depth", "expected"),
    [
        ((0.0, 1.0), 0.25, 0.25),
        ((0.0, 0.5, 0.3), 0.75, 0.4),
        ((2.0,), 0.6, 2.0),
        ((0.0, 1.0), 1.0, 1.0),
        ((True, False, True), 0.5, False),
        (("a", "b", "c"), 0.49, "a"),
        (("a", "b", "c"), 1.0, "c"),
    ],
)
def test_a_curve_between_its_points(
    values: tuple[Value, ...], depth: float, expected: Value
) -> None:
    assert Curve(values).at(depth) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "spot", "expected"),
    [
        (Rule(curve(0, 1)), Spot("layers.1.w", 1, 5), 0.25),
        (Rule(curve(0.2, 1)), Spot("embed", None, 5), 0.2),
        (Rule(curve(0.2, 1)), Spot("lm_head", None, 5, after=True), 0.2),
        (Rule(curve(0, 1)), Spot("layers.0.w", 0, 1), 1.0),
        (Rule(curve(0, 1), layers=(2, 5)), Spot("layers.3.w", 3, 8), 0.5),
        (Rule(3.0, layers=(2, 5)), Spot("layers.5.w", 5, 8), None),
        (Rule(3.0, layers=(2, 8)), Spot("embed", None, 8), None),
        (Rule(3.0, layers=(0, 2)), Spot("embed", None, 8), 3.0),
        (Rule(3.0, layers=(2, 8)), Spot("norm", None, 8, after=True), 3.0),
        (Rule(3.0, "mlp"), Spot("layers.1.attn", 1, 8), None),
    ],
)
def test_where_a_rule_holds(rule: Rule, spot: Spot, expected: float | None) -> None:
    assert (rule.at(spot) if rule.holds(spot) else None) == expected


def test_the_first_rule_counts_and_the_plain_value_is_last() -> None:
    recipe = make_recipe(
        "linear",
        {"e0": 0.5, "e1": 1.0},
        local=(weigh(Rule(2.0, "mlp"), Rule(curve(0.0, 1.0), "layers"), Rule(9.0, "embed")),),
    )
    spots = spots_of(SHAPES)
    found = {name: recipe.settings_at(spots[name]).each["weight"][0] for name in SHAPES}
    assert found["layers.2.mlp.weight"] == 2.0
    assert found["layers.3.attn.weight"] == 1.0
    assert (found["embed.weight"], found["norm.weight"]) == (9.0, 0.5)
    assert recipe.settings_at(spots["norm.weight"]).each["weight"][1] == 1.0


def test_an_experts_own_plain_value_beats_a_common_curve() -> None:
    recipe = Recipe(
        "ties",
        (Expert("e0", params=(("density", 0.9),)), Expert("e1")),
        params=(("trim_scope", "tensor"),),
        local=(Local("density", (Rule(curve(0.2, 0.4)),)),),
    )
    each = recipe.settings_at(Spot("layers.1.w", 1, 2)).each
    assert each["density"] == (0.9, 0.4)


# --- Every tensor as if its values were the plain ones --------------------------------------------

LINES = {
    "linear": ({}, {}),
    "task_arithmetic": ({}, {"scale": (0.2, 1.0)}),
    "ties": ({"trim_scope": "tensor", "rescale": "l1"}, {"density": (0.3, 0.9), "scale": (1, 2)}),
    "dare": ({"rescale": "l1"}, {"drop_rate": (0.0, 0.8)}),
    "dare_ties": ({"zero_sign": "plus"}, {"drop_rate": (0.1, 0.8), "scale": (0.5, 1)}),
    "della": ({}, {"density": (0.4, 0.7)}),
    "breadcrumbs": ({"form": "tensor"}, {"density": (0.3, 0.9), "gamma": (0.1, 0.01)}),
    "sce": ({}, {"select": (0.2, 1.0)}),
    "slerp": ({}, {"t": (0.0, 1.0)}),
    "karcher": ({}, {}),
    "model_stock": ({}, {}),
}


@pytest.mark.parametrize("chunk", ["", "small"])
@pytest.mark.parametrize("method", LINES)
def test_each_tensor_is_merged_by_its_own_values(
    method: str, chunk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chunk:  # tensors of several chunks need passes beforehand
        monkeypatch.setattr(sys.modules["merging.engine.run"], "chunk_of", lambda plan, where: 7)
    params, lines = LINES[method]
    local = [Local(p, (Rule(curve(*v)),)) for p, v in lines.items()]
    recipe = make_recipe(method, ["e0", "e1"], params=params, seed=3)
    if recipe.spec.weighted and method != "karcher":
        local.append(weigh(Rule(1.5, "mlp"), Rule(curve(0.5, 1.0))))
    recipe = replace(recipe, local=tuple(local))
    base = BASE if recipe.spec.needs.base else None
    found = merge(recipe, base, MODELS)
    for name in SHAPES:
        expected = merge(flat(recipe, name, SHAPES), base, MODELS)[name]
        assert torch.equal(found[name], expected), name
    if local:
        assert any(
            not torch.equal(found[n], t)
            for n, t in merge(replace(recipe, local=()), base, MODELS).items()
        )


def test_a_weight_may_differ_where_the_whole_model_is_trimmed_as_one() -> None:
    recipe = make_recipe("ties", ["e0", "e1"], local=(weigh(Rule(curve(0.0, 1.0))),))
    found = merge(recipe, BASE, MODELS)
    plain = merge(flat(recipe, "layers.3.mlp.weight", SHAPES), BASE, MODELS)
    assert torch.equal(found["layers.3.mlp.weight"], plain["layers.3.mlp.weight"])


@pytest.mark.parametrize(
    ("method", "local", "word"),
    [
        ("ties", Local("density", (Rule(curve(0.1, 0.2)),)), "density cannot differ"),
        ("ties", Local("trim_scope", (Rule("tensor", "mlp"),)), "works as a whole"),
        ("knots_ties", Local("scale", (Rule(0.5, "mlp"),)), "cannot differ"),
        ("della", Local("density", (Rule(0.95, "mlp"),)), "'layers.0.mlp.weight'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(method: str, local: Local, word: str) -> None:
    recipe = make_recipe(method, ["e0", "e1"], local=(local,))
    with pytest.raises(RecipeError) as caught:
        merge(recipe, BASE, MODELS)
    assert word in str(caught.value)


BAD: dict[str, Mapping[str, Any]] = {
    "'e7'": {"local": (weigh(Rule(1.0), expert="e7"),)},
    "twice": {"local": (weigh(Rule(1.0)), weigh(Rule(2.0)))},
    "belongs to each expert": {"local": (Local("weight", (Rule(1.0),)),)},
    "one value for all": {"local": (Local("normalize", (Rule(True),), "e0"),)},
    "at most 10": {"local": (weigh(Rule(curve(0.0, 11.0))),)},
    "1 to": {"local": (weigh(),)},
    "first layer": {"local": (weigh(Rule(1.0, layers=(3, 3))),)},
    "control": {"local": (weigh(Rule(1.0, "a\nb")),)},
    "1 to 512": {"local": (weigh(Rule(Curve(()))),)},
}


@pytest.mark.parametrize("word", BAD)
def test_local_values_are_checked(word: str) -> None:
    with pytest.raises((RecipeError, ParameterError)) as caught:
        make_recipe("linear", ["e0", "e1"], **BAD[word])
    assert word in str(caught.value)


def test_keys_tell_local_values_apart_and_order_does_not_count() -> None:
    plain = make_recipe("linear", ["e0", "e1"])
    one, two = weigh(Rule(curve(0.0, 1.0))), weigh(Rule(0.5, "mlp"), expert="e1")
    both = replace(plain, local=(one, two))
    assert both.key() == replace(plain, local=(two, one)).key()
    assert len({r.key() for r in (plain, both, replace(plain, local=(one,)))}) == 3
    assert "local" not in plain.canonical()


def test_cached_trims_follow_local_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from merging.engine.cache import Intermediates

    start = checkpoints({"base": BASE})["base"]
    cache = Intermediates(1 << 20)
    common = {"trim_scope": "tensor"}

    def merged(low: float) -> State:
        local = (Local("density", (Rule(curve(low, 1.0)),)),)
        recipe = make_recipe("ties", ["e0", "e1"], params=common, local=local)
        plan = make_plan(recipe, start, checkpoints(MODELS))
        return dict(run(plan, device="cpu", cache=cache).tensors)

    first, second = merged(0.2), merged(0.8)
    assert not torch.equal(first["embed.weight"], second["embed.weight"])
    assert torch.equal(merged(0.2)["embed.weight"], first["embed.weight"])


def test_adapters_alone_refuse_what_they_would_not_follow() -> None:
    recipe = make_recipe("linear", ["e0", "e1"])
    check_alone(recipe)
    with pytest.raises(RecipeError, match="weight has values by layer or tensor"):
        check_alone(replace(recipe, local=(weigh(Rule(curve(0.0, 1.0))),)))


def test_models_of_the_builders_are_still_merged_alike() -> None:
    base = state(3)
    recipe = make_recipe("task_arithmetic", ["e0", "e1"])
    everywhere = replace(recipe, local=(weigh(Rule(1.0, "layers")),))
    models = experts(base, 2, 5)
    for name, tensor in merge(recipe, base, models).items():
        assert torch.equal(merge(everywhere, base, models)[name], tensor)
