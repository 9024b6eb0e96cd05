"""Blocks of models by name, and values over them: presets and edits against values by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import FAMILIES, tiny

from merging.checkpoints.block_values import (
    PRESETS,
    Target,
    plain_of,
    preset_at,
    preset_of,
    said_of,
    span_of,
    targets_of,
    values_of,
    with_block,
    with_preset,
)
from merging.checkpoints.blocks import COLUMNS, Row, blocks_of, column_of
from merging.engine import make_plan
from merging.errors import ParameterError, RecipeError
from merging.recipe import Expert, Recipe, make_recipe, parse_recipe, write_recipe
from merging.recipe.local import Curve, Local, Rule
from merging.recipe.mergekit import parse_mergekit
from tests.unit.builders import checkpoints, state

INSIDE = (
    "self_attn.q_proj.weight",
    "mlp.up_proj.weight",
    "input_layernorm.weight",
    "self_attn.o_proj.weight",
    "mlp.down_proj.weight",
)
NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.{i}.{part}" for i in range(5) for part in INSIDE),
    "model.norm.weight",
    "lm_head.weight",
]
BLOCKS = blocks_of(NAMES)
ONE = Target("weight", "one")


def arithmetic(**fields: object) -> Recipe:
    return make_recipe(
        "task_arithmetic", {"one": 0.8, "two": 1.0}, base="b", params={"scale": 0.5}, **fields
    )


def along(recipe: Recipe, target: Target, part: str) -> list[float]:
    """Values at one tensor of each layer, between those of the embeddings and of the head."""
    found = values_of(recipe, BLOCKS, target)
    inside = [found[f"model.layers.{i}.{part}"] for i in range(5)]
    return [found[NAMES[0]], *inside, found[NAMES[-1]]]


def test_rows_are_thirds_between_what_stands_before_and_behind() -> None:
    assert BLOCKS.rows == (
        Row("embeddings"), Row("first", (0, 2)), Row("middle", (2, 3)), Row("last", (3, 5)),
        Row("final"),
    )  # fmt: skip
    assert BLOCKS.tensors["final", "other"] == ("model.norm.weight", "lm_head.weight")
    assert BLOCKS.parts["middle", "attention"] == (".self_attn.",)
    assert BLOCKS.rules("last", "mlp", 0.5) == (Rule(0.5, ".mlp.", (3, 5)),)


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        (1, [("first", (0, 1))]),
        (2, [("first", (0, 1)), ("last", (1, 2))]),
        (3, [("first", (0, 1)), ("middle", (1, 2)), ("last", (2, 3))]),
        (32, [("first", (0, 11)), ("middle", (11, 21)), ("last", (21, 32))]),
    ],
)
def test_runs_of_layers(height: int, expected: list[tuple[str, tuple[int, int]]]) -> None:
    found = blocks_of([f"h.{i}.mlp.w" for i in range(height)])
    assert [(r.id, r.layers) for r in found.rows] == expected and found.height == height


def test_a_model_without_layers_has_no_depth() -> None:
    found = blocks_of(["a.weight", "head.weight"])
    assert [r.id for r in found.rows] == ["embeddings", "final"] and found.height == 0
    with pytest.raises(RecipeError, match="there is no depth"):
        with_preset(arithmetic(), found, ONE, "up")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rules_of_a_block_pick_its_tensors_and_no_other(family: str) -> None:
    found = blocks_of(tiny(family, **LAYERS.get(family, {})).state_dict())
    assert sum(map(len, found.tensors.values())) == len(found.spots)
    for (row, column), names in found.tensors.items():
        rules = found.rules(row, column, 1.0)
        held = {n for n, s in found.spots.items() if any(rule.holds(s) for rule in rules)}
        assert held == set(names) and {column_of(n) for n in names} == {column}
    columns = {column for row, column in found.tensors if row == "first"}
    assert columns == set(COLUMNS)


LAYERS = {"bert": {"num_hidden_layers": 4}, "t5": {"num_layers": 3}}


def test_names_that_are_parts_of_others_are_told() -> None:
    found = blocks_of(["w", "h.0.attn.w", "h.0.mlp.w"])
    assert found.parts["embeddings", "other"] == ()
    with pytest.raises(RecipeError, match="parts of other names"):
        with_block(arithmetic(), found, ONE, "embeddings", "other", 0.5)


BY_HAND = {
    "flat": ([0.8] * 7, [0.8] * 7),
    "up": ([0, 0, 0.2, 0.4, 0.6, 0.8, 0], [0, 0, 0.2, 0.4, 0.6, 0.8, 0]),
    "down": ([0.8, 0.8, 0.6, 0.4, 0.2, 0, 0.8], [0.8, 0.8, 0.6, 0.4, 0.2, 0, 0.8]),
    "middle": ([0, 0, 0.4, 0.8, 0.4, 0, 0], [0, 0, 0.4, 0.8, 0.4, 0, 0]),
    "ends": ([0.8, 0.8, 0.4, 0, 0.4, 0.8, 0.8], [0.8, 0.8, 0.4, 0, 0.4, 0.8, 0.8]),
    "attention": ([0, 0.8, 0.8, 0.8, 0.8, 0.8, 0], [0] * 7),
    "mlp": ([0] * 7, [0, 0.8, 0.8, 0.8, 0.8, 0.8, 0]),
    "layers": ([0, 0.8, 0.8, 0.8, 0.8, 0.8, 0], [0, 0.8, 0.8, 0.8, 0.8, 0.8, 0]),
}


@pytest.mark.parametrize("preset", [p.id for p in PRESETS])
def test_presets_by_hand_and_there_and_back_through_yaml(preset: str) -> None:
    recipe = with_preset(arithmetic(), BLOCKS, ONE, preset)
    attention, mlp = BY_HAND[preset]
    assert along(recipe, ONE, INSIDE[0]) == pytest.approx(attention)
    assert along(recipe, ONE, INSIDE[1]) == pytest.approx(mlp)
    assert along(recipe, Target("weight", "two"), INSIDE[0]) == [1.0] * 7
    assert preset_at(recipe, BLOCKS, ONE) == preset
    assert parse_recipe(write_recipe(recipe)) == recipe
    assert plain_of(recipe, ONE) == 0.8
    assert with_preset(recipe, BLOCKS, ONE, "flat") == arithmetic()


def test_a_preset_says_its_exact_values() -> None:
    low, high = span_of(arithmetic(), BLOCKS, ONE)
    assert said_of(preset_of("down"), low, high) == (
        "From 0.8 at the first layer to 0 at the last; embeddings, final norm and head take 0.8, "
        "as at the first layer."
    )
    assert said_of(preset_of("up"), low, high).endswith("take 0, as at the first layer.")


def test_the_low_end_is_what_a_parameter_accepts() -> None:
    recipe = make_recipe(
        "ties", ["one", "two"], base="b", params={"density": 0.3, "trim_scope": "tensor"}
    )
    least = recipe.spec.param("density").minimum
    found = with_preset(recipe, BLOCKS, Target("density"), "up")
    assert along(found, Target("density"), INSIDE[0])[1] == pytest.approx(max(0.0, least))
    assert along(found, Target("density"), INSIDE[0])[5] == pytest.approx(0.3)
    assert along(found, Target("density", "two"), INSIDE[0])[5] == pytest.approx(0.3)


def test_an_edit_changes_one_block_and_nothing_else() -> None:
    before = with_preset(arithmetic(), BLOCKS, ONE, "up")
    after = with_block(before, BLOCKS, ONE, "middle", "mlp", 1.5)
    assert along(after, ONE, INSIDE[1]) == pytest.approx([0, 0, 0.2, 1.5, 0.6, 0.8, 0])
    assert along(after, ONE, INSIDE[0]) == along(before, ONE, INSIDE[0])
    again = with_block(after, BLOCKS, ONE, "middle", "mlp", 0.1)
    assert len(again.local[0].rules) == len(after.local[0].rules) == 2
    assert preset_at(after, BLOCKS, ONE) == ""


def test_rules_that_hold_nowhere_any_more_are_dropped() -> None:
    recipe = with_preset(arithmetic(), BLOCKS, ONE, "attention")
    for row, column in BLOCKS.tensors:
        recipe = with_block(recipe, BLOCKS, ONE, row, column, 0.3)
    assert all(rule.value == 0.3 for rule in recipe.local[0].rules)
    for row, column in BLOCKS.tensors:
        recipe = with_block(recipe, BLOCKS, ONE, row, column, 0.8)
    assert recipe.local == ()


CELLS = sorted(BLOCKS.tensors)


@given(
    st.lists(st.tuples(st.sampled_from(CELLS), st.floats(0, 2, width=16)), max_size=8),
    st.sampled_from([p.id for p in PRESETS]),
)
def test_any_edits_leave_each_block_at_its_last_value(
    edits: list[tuple[tuple[str, str], float]], preset: str
) -> None:
    recipe = with_preset(arithmetic(), BLOCKS, ONE, preset)
    expected = dict(values_of(recipe, BLOCKS, ONE))
    for cell, value in edits:
        recipe = with_block(recipe, BLOCKS, ONE, *cell, value)
        expected |= dict.fromkeys(BLOCKS.tensors[cell], value)
    assert values_of(recipe, BLOCKS, ONE) == expected
    again = parse_recipe(write_recipe(recipe))
    assert again == recipe
    for name, spot in BLOCKS.spots.items():
        assert again.settings_at(spot).each["weight"][0] == expected[name]


def test_an_experts_own_plain_value_goes_before_a_common_curve() -> None:
    recipe = Recipe(
        "ties",
        (Expert("one", params=(("density", 0.9),)), Expert("two")),
        base="b",
        params=(("trim_scope", "tensor"),),
        local=(Local("density", (Rule(Curve((0.2, 0.4))),)),),
    )
    assert along(recipe, Target("density", "one"), INSIDE[0]) == [0.9] * 7
    assert along(recipe, Target("density", "two"), INSIDE[0]) == pytest.approx(
        [0.2, 0.2, 0.25, 0.3, 0.35, 0.4, 0.2]
    )
    flat = with_preset(recipe, BLOCKS, Target("density", "two"), "mlp")
    assert (
        along(flat, Target("density", "two"), INSIDE[1])[3] == recipe.spec.param("density").default
    )


def test_a_gradient_of_mergekit_is_read_as_its_values() -> None:
    text = """
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 1]}
    - {filter: mlp, value: [1, 0]}
    - {value: 0.5}
dtype: float32
"""
    recipe, t = parse_mergekit(text), Target("t")
    assert t in targets_of(recipe)
    assert along(recipe, t, INSIDE[0]) == pytest.approx([0.5, 0, 0.25, 0.5, 0.75, 1, 0.5])
    assert along(recipe, t, INSIDE[1]) == pytest.approx([0.5, 1, 0.75, 0.5, 0.25, 0, 0.5])
    edited = with_block(recipe, BLOCKS, Target("t"), "first", "attention", 0.1)
    assert along(edited, Target("t"), INSIDE[0]) == pytest.approx(
        [0.5, 0.1, 0.1, 0.5, 0.75, 1, 0.5]
    )


def test_presets_after_a_curve_that_begins_at_nothing_go_up_to_its_largest_value() -> None:
    recipe = replace(arithmetic(), local=(Local("scale", (Rule(Curve((0.0, 0.6))),)),))
    recipe = recipe.patched(params={"scale": 0.0})
    assert span_of(recipe, BLOCKS, Target("scale")) == (0.0, 0.6)


def test_what_is_asked_wrongly_is_refused_in_words() -> None:
    recipe = arithmetic()
    for target, word in ((Target("dialect"), "no curve"), (Target("weight", "three"), "three")):
        with pytest.raises(RecipeError, match=word):
            plain_of(recipe, target)
    with pytest.raises(RecipeError, match="no tensor in the block 'final', 'mlp'"):
        with_block(recipe, BLOCKS, ONE, "final", "mlp", 1.0)
    with pytest.raises(RecipeError, match="preset"):
        with_preset(recipe, BLOCKS, ONE, "upp")
    with pytest.raises(ParameterError, match="at most 10"):
        with_block(recipe, BLOCKS, ONE, "first", "mlp", 11.0)
    with pytest.raises(RecipeError, match="attention"):
        with_preset(recipe, blocks_of(["h.0.mlp.w", "h.1.mlp.w"]), ONE, "attention")


def test_the_engine_merges_by_these_values() -> None:
    shapes = dict.fromkeys(NAMES, (2, 2))
    base = state(0, shapes=shapes)
    models = {
        e: {n: base[n] + d for n, d in state(i, 1.0, shapes).items()}
        for i, e in enumerate(("one", "two"), 1)
    }
    recipe = with_preset(arithmetic(), BLOCKS, ONE, "up")
    plan = make_plan(recipe, checkpoints({"b": base})["b"], checkpoints(models))
    steps = {step.tensor: step for step in plan.steps}
    assert set(steps) == set(NAMES)
    for name, value in values_of(recipe, BLOCKS, ONE).items():
        assert recipe.settings_at(BLOCKS.spots[name]).each["weight"][0] == value
