"""Values by layer and module as lines, cells and words: against values by hand."""

import json

import pytest

from merging.checkpoints.block_values import Target, with_block, with_preset
from merging.checkpoints.blocks import blocks_of
from merging.errors import ParameterError, RecipeError
from merging.recipe import Recipe, make_recipe
from merging.recipe.local import Curve, Local, Rule
from ui.charts.local import block_table, local_figure, text_of
from ui.views.local import (
    RULE,
    BlockCell,
    LocalLine,
    edited,
    local_view,
    target_named,
    title_of,
    word_of,
)

PARTS = (
    "self_attn.q_proj.weight",
    "self_attn.o_proj.weight",
    "mlp.up_proj.weight",
    "mlp.down_proj.weight",
    "input_layernorm.weight",
)
NAMES = [
    "model.embed_tokens.weight",
    *(f"model.layers.{i}.{part}" for i in range(4) for part in PARTS),
    "model.norm.weight",
    "lm_head.weight",
]
BLOCKS = blocks_of(NAMES)
ONE = Target("weight", "one")


def arithmetic(*local: Local) -> Recipe:
    return make_recipe("task_arithmetic", {"one": 0.6, "two": 1.0}, base="b", local=local)


def test_equal_curves_are_one_line_named_by_its_columns() -> None:
    view = local_view(with_preset(arithmetic(), BLOCKS, ONE, "up"), BLOCKS, ONE)
    assert [line.label for line in view.lines] == ["All tensors of the layers"]
    assert view.lines[0].values == pytest.approx((0, 0.2, 0.4, 0.6))
    assert (view.before, view.after, view.preset, view.plain) == ((0, 0), (0, 0), "up", 0.6)
    assert view.sentence == (
        "Weight of one: from 0 at the first layer to 0.6 at the last; embeddings, final norm and "
        "head take 0, as at the first layer."
    )


def test_lines_part_by_column_and_by_tensor() -> None:
    rules = (Rule(1.0, "q_proj"), Rule(0.5, "self_attn"), Rule(0.25, "mlp"))
    view = local_view(arithmetic(Local("weight", rules, "one")), BLOCKS, ONE)
    assert set(view.lines) == {
        LocalLine("self_attn.q_proj", (1.0,) * 4),
        LocalLine("self_attn.o_proj", (0.5,) * 4),
        LocalLine("MLP", (0.25,) * 4),
        LocalLine("Other", (0.6,) * 4),
    }
    assert view.cells["first", "attention"] == BlockCell(0.5, 1.0, 2, True)
    assert view.preset == "" and view.more == 0
    assert view.sentence == f"Weight of one: from 0.25 to 1, by layer and module. {RULE}"


def test_a_tensor_of_one_layer_joins_the_line_that_it_lies_on() -> None:
    names = [*NAMES, "model.layers.0.self_attn.bias.weight"]
    blocks = blocks_of(names)
    view = local_view(with_preset(arithmetic(), blocks, ONE, "down"), blocks, ONE)
    assert [line.label for line in view.lines] == ["All tensors of the layers"]


def test_a_gradient_of_mergekit_is_its_curve() -> None:
    local = Local("scale", (Rule(Curve((0.0, 1.0, 0.4)), "mlp"),))
    recipe = arithmetic(local)
    view = local_view(recipe, BLOCKS, Target("scale"))
    lines = {line.label: line.values for line in view.lines}
    assert lines["MLP"] == pytest.approx((0, 2 / 3, 0.8, 0.4))
    plain = recipe.settings().common["scale"]
    assert lines["Attention, Other"] == (plain,) * 4
    assert view.before == (plain, plain)


def test_more_groups_than_lines_are_counted() -> None:
    parts = [f"part{i}.weight" for i in range(9)]
    blocks = blocks_of([f"h.{n}.{p}" for n in range(2) for p in parts])
    rules = tuple(Rule(i / 10, f"part{i}.") for i in range(9))
    view = local_view(arithmetic(Local("weight", rules, "one")), blocks, ONE)
    assert len(view.lines) == 6 and view.more == 3
    assert local_figure(view)["sentence"].startswith("● part0; ■ part1;")
    assert "3 more in the recipe's file" in local_figure(view)["sentence"]


def test_rows_say_their_layers() -> None:
    view = local_view(arithmetic(), BLOCKS, ONE)
    assert view.rows == (
        ("embeddings", "Embeddings", ""),
        ("first", "First third", "layer 0"),
        ("middle", "Middle third", "layers 1 to 2"),
        ("last", "Last third", "layer 3"),
        ("final", "Final norm and head", ""),
    )
    low = local_view(arithmetic(), blocks_of(["h.0.mlp.fc1.w", "h.1.mlp.fc1.w"]), ONE)
    assert low.rows == (("first", "Layer 0", ""), ("last", "Layer 1", ""))
    assert [preset for preset, _, _ in low.presets] == [
        "flat",
        "up",
        "down",
        "middle",
        "ends",
        "mlp",
    ]


def test_the_figure_has_a_mark_outside_the_layers_and_its_numbers() -> None:
    recipe = with_block(
        with_preset(arithmetic(), BLOCKS, ONE, "up"), BLOCKS, ONE, "final", "other", 0.3
    )
    figure = local_figure(local_view(recipe, BLOCKS, ONE))
    line, before, after = figure["data"]
    assert line["x"] == [0, 1, 2, 3] and line["y"] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert (before["x"], before["y"]) == ([-1], [0.0])
    assert (after["x"], after["y"]) == ([4], [0.3])
    axis = figure["layout"]["xaxis"]
    assert axis["ticktext"] == ["emb.", "0", "1", "2", "3", "final"]
    assert figure["table"] == {
        "columns": ["Layer", "All tensors of the layers"],
        "rows": [["Embeddings", "0"], ["0", "0"], ["1", "0.2"], ["2", "0.4"], ["3", "0.6"],
                 ["Final", "0.3"]],
    }  # fmt: skip
    assert figure["sentence"].endswith(RULE)
    json.dumps(figure, allow_nan=False)


def test_many_layers_have_few_ticks() -> None:
    blocks = blocks_of(["wte", *(f"h.{n}.mlp.w" for n in range(80)), "ln_f.w"])
    axis = local_figure(local_view(arithmetic(), blocks, ONE))["layout"]["xaxis"]
    assert len(axis["ticktext"]) <= 14 and axis["ticktext"][0] == "emb."
    gaps = [b - a for a, b in zip(axis["tickvals"][1:], axis["tickvals"][2:], strict=False)]
    assert min(gaps) >= 4


def test_the_table_holds_numbers_or_the_ends_of_a_mixture() -> None:
    view = local_view(with_preset(arithmetic(), BLOCKS, ONE, "up"), BLOCKS, ONE)
    value = block_table(view, [("weight:one", "Weight of one")], "weight:one")
    rows = {row["id"]: {c["column"]: c for c in row["cells"]} for row in value["rows"]}
    assert rows["first"]["mlp"] == {
        "column": "mlp", "value": 0.0, "text": "0", "count": 2, "editable": True,
    }  # fmt: skip
    assert rows["middle"]["mlp"]["value"] is None
    assert rows["middle"]["mlp"]["text"] == "0.2\N{EN DASH}0.4"
    assert rows["final"]["attention"]["count"] == 0
    assert value["preset"] == "up" and (value["low"], value["high"]) == (-10, 10)
    assert ["flat", "Flat", "0.6 everywhere."] in value["presets"]
    assert text_of(BlockCell(2e-5, 2e-5, 1)) == "2.0e-05" and text_of(BlockCell()) == ""
    json.dumps(value, allow_nan=False)


def test_edits_of_the_page_become_local_values() -> None:
    recipe = edited(arithmetic(), BLOCKS, ONE, "preset", {"preset": "attention"})
    sent = {"row": "last", "column": "mlp", "value": 2}
    found = edited(recipe, BLOCKS, ONE, "block", sent)
    settings = found.settings_at(BLOCKS.spots["model.layers.3.mlp.up_proj.weight"])
    assert settings.each["weight"] == (2.0, 1.0)
    assert found.settings_at(BLOCKS.spots["lm_head.weight"]).each["weight"] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("action", "sent", "kind", "word"),
    [
        ("preset", {"preset": "sideways"}, RecipeError, "preset"),
        ("preset", {}, RecipeError, "preset"),
        ("block", {"row": "first", "column": "mlp", "value": "1"}, ParameterError, "a number"),
        ("block", {"row": "first", "column": "mlp", "value": None}, ParameterError, "empty"),
        ("block", {"row": "first", "column": "mlp", "value": float("nan")}, ParameterError, "fin"),
        ("block", {"row": "first", "column": "mlp", "value": 99}, ParameterError, "at most 10"),
        ("block", {"row": ["first"], "column": {}, "value": 1}, RecipeError, "no tensor"),
    ],
)
def test_what_a_browser_makes_up_is_refused(
    action: str, sent: dict, kind: type[Exception], word: str
) -> None:
    with pytest.raises(kind, match=word):
        edited(arithmetic(), BLOCKS, ONE, action, sent)


def test_targets_have_words_and_titles() -> None:
    recipe = arithmetic()
    assert target_named(recipe, "weight:two") == Target("weight", "two")
    assert target_named(recipe, ["?"]) == ONE
    assert word_of(Target("scale")) == "scale:"
    assert title_of(recipe, ONE, {"one": "math"}) == "Weight of math"
    none = make_recipe("model_stock", ["one", "two"], base="b")
    with pytest.raises(RecipeError, match="no number that could differ"):
        target_named(none, "")
