"""Recipes as people publish them: import, export and import again, and what the report says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from merging.cli import main
from merging.errors import RecipeError, UnknownNameError
from merging.recipe import parse_mergekit, parse_recipe, write_recipe
from merging.recipe.layers import Layers
from merging.recipe.local import Spot, spots_of
from merging.recipe.mergekit import import_mergekit, why_not, write_mergekit
from tests.published import DRAWN, RECIPES

SPOTS = spots_of(["embed", "lm_head", *(f"l.{n}.{m}" for n in range(4) for m in ("mlp", "q"))])


def read(text: str) -> Any:
    (found,) = import_mergekit(text)
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_import_export_import_again(name: str) -> None:
    first = parse_mergekit(RECIPES[name])
    assert why_not(first) == ()
    written = write_mergekit(first)
    again = parse_mergekit(written)
    spots = spots_of(f"layers.{n}.{m}" for n in range(4) for m in ("mlp.w", "self_attn.q_proj.w"))
    for spot in [*spots.values(), *SPOTS.values()]:
        assert again.settings_at(spot) == first.settings_at(spot)
    assert again == first
    assert write_mergekit(again) == written
    assert parse_recipe(write_recipe(first)) == first


@pytest.mark.parametrize("name", RECIPES)
def test_the_report_names_random_methods_and_no_unknown_key(name: str) -> None:
    notes = read(RECIPES[name]).notes
    assert not [n for n in notes if n.kind == "unknown"]
    assert any(n.kind == "law" for n in notes) or name not in DRAWN


def test_slerp_by_module_and_layer() -> None:
    recipe = read(RECIPES["slerp by module"]).recipe
    assert [e.id for e in recipe.experts] == ["base", "a"]
    spots = spots_of([f"m.layers.{n}.{p}" for n in range(4) for p in ("self_attn.q", "mlp.up")])
    at = {name: recipe.settings_at(spot).number("t") for name, spot in spots.items()}
    assert at["m.layers.0.self_attn.q"] == 0.0
    assert at["m.layers.1.self_attn.q"] == pytest.approx(0.5 + (0.3 - 0.5) / 3)
    assert at["m.layers.3.mlp.up"] == 0.0
    assert recipe.settings_at(Spot("lm_head", None, 4, after=True)).number("t") == 0.5


def test_what_a_filter_leaves_open_falls_through_level_by_level() -> None:
    recipe = read(RECIPES["task arithmetic levels"]).recipe
    at = {
        n: recipe.settings_at(s)
        for n, s in spots_of(
            ["layers.0.mlp.w", "layers.3.self_attn.q_proj", "layers.3.norm", "embed"]
        ).items()
    }
    assert at["layers.0.mlp.w"].each["weight"] == (0.2, 1.0)
    assert at["layers.3.self_attn.q_proj"].each["weight"] == (0.9, 0.4)
    assert at["layers.3.self_attn.q_proj"].number("scale") == 0.5
    assert at["layers.3.norm"].each["weight"] == (0.0, 0.0)
    assert at["embed"].each["weight"] == (1.0, 1.0)


def test_slices_become_runs_and_their_values_hold_there() -> None:
    recipe = read(RECIPES["ties cut"]).recipe
    assert recipe.base_layers == (Layers("base", 0, 3), Layers("base", 2, 4))
    assert recipe.experts[0].layers == (Layers("a", 0, 3), Layers("b", 2, 4))
    at = [recipe.settings_at(s) for s in spots_of(f"layers.{n}.w" for n in range(5)).values()]
    assert [s.each["weight"][0] for s in at] == [0.5, 0.5, 0.5, 0.5, 1.0]
    assert [s.each["density"][0] for s in at] == [0.6, 0.6, 0.6, 0.4, 0.4]
    assert [s.number("scale") for s in at] == [0.5, 0.5, 0.5, 1.0, 1.0]


def test_the_report_names_what_mergekit_drops_or_does_otherwise() -> None:
    text = RECIPES["ties"] + "tokenizer_source: union\nchat_template: chatml\nparamters: {}\n"
    text = text.replace("float32", "bfloat16").replace("density", "densty")
    found = read(text)
    said = {n.kind: [m.text for m in found.notes if m.kind == n.kind] for n in found.notes}
    assert any("'paramters'. Did you mean 'parameters'" in t for t in said["unknown"])
    assert any("'densty'. Did you mean 'density'" in t for t in said["unknown"])
    assert any("issue 474" in t for t in said["differs"])
    assert any("its weight cancels" in t for t in said["differs"])
    assert any("rounds its inputs" in t for t in said["differs"])
    assert any("mergekit takes the base's first" in t for t in said["differs"])
    assert (found.recipe.tokenizer, found.recipe.chat_template) == ("union", "chatml")
    with pytest.raises(UnknownNameError):
        parse_mergekit(text)
    assert read(write_mergekit(found.recipe)).recipe == found.recipe


def test_several_documents_use_each_other_in_order() -> None:
    first = "name: one\n" + RECIPES["ties"]
    second = RECIPES["slerp plain"].replace("model: a", "model: one")
    found = import_mergekit(f"{first}\n---\n{second}")
    assert [f.name for f in found] == ["one", ""]
    assert found[1].recipe.experts[1].id == "one"
    with pytest.raises(RecipeError, match="used before its document"):
        import_mergekit(f"{first.replace('model: b', 'model: two')}\n---\nname: two\n{second}")
    with pytest.raises(RecipeError, match="has no name"):
        import_mergekit(f"{RECIPES['ties']}\n---\n{second}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("method: ties\nexperts: [a, b]\nbase: x\n", "trim_scope is global"),
        ("method: tsv_m\nexperts: [a, b]\nbase: x\n", "no method like"),
        ("method: linear\nexperts: [a, b]\nset: digits\n", "The set 'digits'"),
        ("method: linear\nexperts: [{id: a, weight: [{layers: [0, 1], value: 2}]}, b]\n",
         "no slice of the merge"),
    ],
)  # fmt: skip
def test_what_mergekit_cannot_express(text: str, reason: str) -> None:
    recipe = parse_recipe(f"format: merge-explorer/1\n{text}")
    assert any(reason in r for r in why_not(recipe))
    with pytest.raises(RecipeError, match="mergekit cannot express"):
        write_mergekit(recipe)


ONE = "{models: [{model: a, parameters: {weight: 1}}]}\n"
MODULES = f"merge_method: linear\nmodules:\n  text: {ONE}"


def test_modules_merged_alike_are_read_as_one_model() -> None:
    both = MODULES + f"  vision: {ONE}"
    assert [e.id for e in read(both).recipe.experts] == ["a"]
    with pytest.raises(RecipeError, match="merged differently"):
        read(both.replace("vision: {models: [{model: a", "vision: {models: [{model: b"))


@pytest.mark.parametrize(
    ("model", "id"),
    [
        ("a@main+b", "a@main+b"),
        ("{model: {path: a, revision: r}, lora: b}", "a@r+b"),
        ("{path: a}", "a"),
    ],
)
def test_references_in_one_word_and_in_parts(model: str, id: str) -> None:
    text = f"merge_method: linear\nmodels: [{{model: {model}, parameters: {{weight: 1}}}}]"
    assert read(text).recipe.experts[0].id == id


def told(capsys: Any, *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().out


def test_convert_both_ways(tmp_path: Path, capsys: Any) -> None:
    theirs, ours = tmp_path / "theirs.yml", tmp_path / "ours.yml"
    theirs.write_text(RECIPES["slerp by module"])
    code, said = told(capsys, "convert", str(theirs), "--to", "own", "--out", str(ours), "--json")
    assert (code, json.loads(said)["format"]) == (0, "own")
    code, said = told(capsys, "convert", str(ours), "--to", "mergekit")
    assert code == 0
    assert parse_mergekit(said) == parse_mergekit(theirs.read_text())
    assert "value" in str(yaml.safe_load(said)["parameters"]["t"])
    ours.write_text("format: merge-explorer/1\nmethod: ties\nexperts: [a]\nbase: x\n")
    gone = tmp_path / "gone.yml"
    code, _ = told(capsys, "convert", str(ours), "--to", "mergekit", "--out", str(gone))
    assert (code, gone.exists()) == (1, False)


TWO = "models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 1}}]\n"
MULTI = f"{TWO}merge_method: multislerp\nparameters:\n  "
CUT = (
    "merge_method: nuslerp\nslices:\n"
    "- {sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}],\n"
    "   parameters: {nuslerp_flatten: false}}\n"
    "- {sources: [{model: a, layer_range: [1, 2]}, {model: b, layer_range: [1, 2]}]}\n"
    "parameters: {weight: 1}\n"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            f"{TWO}merge_method: multislerp\nparameters: {{eps: 1e-6}}",
            "always mergekit's own 1e-08",
        ),
        (f"{TWO}merge_method: multislerp\nparameters: {{eps: x}}", "eps is 'x'"),
        (f"{TWO}merge_method: multislerp\nparameters: {{normalize_weights: false}}", "is not read"),
        (CUT, "differ between slices"),
    ],
)
def test_switches_that_cannot_be_followed_are_refused(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        import_mergekit(text)


def test_switches_are_read_where_mergekit_reads_them() -> None:
    text = f"{TWO}merge_method: nuslerp\nparameters: {{nuslerp_flatten: false}}"
    assert dict(read(text).recipe.params)["flatten"] == "row"
    moved = f"{TWO}merge_method: nuslerp".replace("weight: 1", "weight: 1, nuslerp_flatten: false")
    found = read(moved)
    assert "flatten" not in dict(found.recipe.params)
    assert [n.text for n in found.notes if n.kind == "ignored"] == [
        "mergekit ignores nuslerp_flatten at a model; it is for the whole merge."
    ] * 2
    assert not read(f"{TWO}merge_method: multislerp\nparameters: {{eps: 1e-8}}").notes
