"""Recipes of mergekit: what each of their words means in ours, and what is refused by name."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import ParameterError, RecipeError, UnknownNameError
from merging.recipe import Expert, Recipe, parse_mergekit, parse_recipe, read_recipe, write_recipe
from merging.recipe.mergekit.shape import KEYS
from tests.cross.cases import MERGEKIT, Case

HEAD = "models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 0.5}}]\n"
TIES = HEAD + "merge_method: ties\nbase_model: base\n"
FIVE = ("linear", "task_arithmetic", "ties", "dare_linear", "dare_ties")
FAMILY = ("task_arithmetic", "ties", "dare_linear", "dare_ties")


def refusal(text: str, kind: type[RecipeError] = RecipeError) -> str:
    with pytest.raises(kind) as caught:
        parse_mergekit(text)
    message = str(caught.value)
    with pytest.raises(kind) as again:
        read_recipe(text)
    assert "merge_method" not in text or str(again.value) == message
    assert 0 < len(message) < 500
    return message


def settings(text: str) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    recipe = parse_mergekit(text)
    found, told = recipe.settings(), [p.name for p in recipe.spec.params if not p.later]
    return {name: found.common[name] for name in told}, dict(found.each)


def test_a_recipe_as_people_write_it() -> None:
    text = """
        models:
          - model: org/base
          - model: org/math
            parameters:
              density: 0.5
              weight: 0.5
          - model: ../code
            parameters: {weight: 3e-1}
        merge_method: ties
        base_model: org/base
        parameters:
          normalize: false
          density: 0.25
          int8_mask: true
        dtype: float16
    """
    assert parse_mergekit(text) == Recipe(
        method="ties",
        experts=(Expert("org/math", 0.5, (("density", 0.5),)), Expert("../code", 0.3)),
        base="org/base",
        params=(("density", 0.25), ("combine", "sum")),
        dialect="mergekit",
        dtype="float16",
    )


@pytest.mark.parametrize("case", [c for c in MERGEKIT if c.theirs in FIVE], ids=lambda c: c.id)
def test_what_was_compared_with_mergekit_is_read_so(case: Case) -> None:
    """The configurations that mergekit itself ran beside our recipes, in tests/cross."""
    read = parse_mergekit(yaml.safe_dump(case.config("m")))
    experts = tuple(replace(e, id=f"m/{e.id}") for e in case.ours.experts)
    base = "m/base" if case.theirs != "linear" else None
    ours = replace(case.ours, experts=experts, base=base, dtype="float32")
    assert read.settings().each == ours.settings().each
    assert read.key() == ours.key()


# --- The table of their methods -------------------------------------------------------------------

DEFAULTS = {
    "linear": {"normalize": True},
    "task_arithmetic": {"normalize": False, "scale": 1.0},
    "ties": {
        **{"density": 1.0, "scale": 1.0, "trim_scope": "tensor", "trim_rule": "at_least_one"},
        **{"election": "sum", "voters": "weighted", "zero_sign": "plus"},
        **{"combine": "weighted_mean", "rescale": "none"},
    },
    "dare_linear": {"drop_rate": 0.0, "scale": 1.0, "rescale": "l1", "normalize": False},
    "dare_ties": {
        **{"drop_rate": 0.0, "scale": 1.0, "rescale": "l1", "density": 1.0},
        **{"trim_scope": "tensor", "trim_rule": "at_least_one", "election": "sum"},
        **{"voters": "weighted", "zero_sign": "plus", "combine": "sum"},
    },
}


@pytest.mark.parametrize("method", FIVE)
def test_defaults_are_those_of_mergekit(method: str) -> None:
    text = f"{HEAD}merge_method: {method}\nbase_model: a\n"
    recipe, (common, _) = parse_mergekit(text), settings(text)
    assert recipe.dialect == "mergekit"
    assert common == DEFAULTS[method]
    assert (recipe.base, recipe.dtype) == (None if method == "linear" else "a", None)


SHARE = st.integers(1, 100).map(lambda n: n / 100)
WEIGHTS = st.integers(1, 40).map(lambda n: n / 20)


@st.composite
def written(draw: Any, method: str) -> dict[str, Any]:
    """A configuration of a method, as mergekit would be given it."""
    both = {} if method == "linear" else {"density": SHARE}
    once = {"normalize": st.booleans(), "int8_mask": st.booleans()}
    if method != "linear":
        once |= {"lambda": st.integers(-20, 20).map(lambda n: n / 10), "rescale": st.booleans()}

    def some(options: dict[str, Any]) -> dict[str, Any]:
        return draw(st.fixed_dictionaries({}, optional=options))

    weigh_all = draw(st.booleans())
    models = []
    for name in draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)):
        own = some(both | ({"weight": WEIGHTS} if weigh_all else {}))
        if not weigh_all:
            own["weight"] = draw(WEIGHTS)
        models.append({"model": name, "parameters": own} if own else {"model": name})
    shared = some(both | once) | ({"weight": draw(WEIGHTS)} if weigh_all else {})
    found = {"merge_method": method, "models": models, **some({"dtype": st.just("bfloat16")})}
    found |= {"parameters": shared} if shared else {}
    return found if method == "linear" else found | {"base_model": "base"}


def of_table(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    """What the table of parameters says of a configuration, in our words."""
    method, shared = config["merge_method"], config.get("parameters", {})
    common = dict(DEFAULTS[method])
    if "lambda" in shared:
        common["scale"] = shared["lambda"]
    if "normalize" in shared and method in ("ties", "dare_ties"):
        common["combine"] = "weighted_mean" if shared["normalize"] else "sum"
    elif "normalize" in shared:
        common["normalize"] = shared["normalize"]
    if "rescale" in shared and method not in ("linear", "task_arithmetic"):
        common["rescale"] = "l1" if shared["rescale"] else "none"
    own = [{**shared, **m.get("parameters", {})} for m in config["models"]]
    each = {"weight": tuple(o["weight"] for o in own)}
    densities = tuple(o.get("density", 1.0) for o in own)
    if method == "ties":
        each["density"] = densities
        common["density"] = shared.get("density", 1.0)
    if method == "dare_ties":
        each["density"] = (1.0,) * len(own)
    if method.startswith("dare"):
        each["drop_rate"] = tuple((100 - round(100 * d)) / 100 for d in densities)
        common["drop_rate"] = (100 - round(100 * shared.get("density", 1.0))) / 100
    return common, each


@pytest.mark.parametrize("method", FIVE)
@given(data=st.data())
def test_what_is_written_is_read_as_the_table_says(method: str, data: st.DataObject) -> None:
    config = data.draw(written(method))
    text = yaml.safe_dump(config)
    assert settings(text) == of_table(config)
    recipe = read_recipe(text)
    assert [e.id for e in recipe.experts] == [m["model"] for m in config["models"]]
    assert recipe.dtype == config.get("dtype")
    assert parse_recipe(write_recipe(recipe)) == recipe


def test_a_density_is_the_rest_of_the_drop_rate_to_the_last_digit() -> None:
    text = HEAD.replace("weight: 1}", "weight: 1, density: 0.3}")
    _, each = settings(text + "merge_method: dare_ties\nbase_model: base\n")
    assert each["drop_rate"] == (0.7, 0.0)


def test_a_models_own_value_counts_before_that_for_all() -> None:
    text = "models: [{model: a, parameters: {weight: 2}}, {model: b}]\nmerge_method: ties\n"
    _, each = settings(text + "base_model: x\nparameters: {weight: 0.25, density: 0.5}")
    assert each == {"weight": (2.0, 0.25), "density": (0.5, 0.5)}


def test_zero_and_one_are_switches() -> None:
    common, _ = settings(TIES + "parameters: {normalize: 0, rescale: 1, int8_mask: 0}")
    assert (common["combine"], common["rescale"]) == ("sum", "l1")


@pytest.mark.parametrize("method", FAMILY)
def test_the_base_is_no_expert(method: str) -> None:
    recipe = parse_mergekit(f"{HEAD}merge_method: {method}\nbase_model: b")
    assert (recipe.base, [e.id for e in recipe.experts]) == ("b", ["a"])
    assert "No expert is chosen" in refusal(
        f"models: [{{model: b}}]\nmerge_method: {method}\nbase_model: b"
    )
    assert f"{method} needs a base model" in refusal(f"{HEAD}merge_method: {method}")


def test_linear_averages_the_base_too() -> None:
    listed = parse_mergekit(HEAD + "merge_method: linear\nbase_model: b")
    assert listed.base is None
    assert [(e.id, e.weight) for e in listed.experts] == [("a", 1.0), ("b", 0.5)]
    text = HEAD + "merge_method: linear\nbase_model: c\n"
    assert "linear averages base_model with the other models" in refusal(text)
    added = parse_mergekit(text + "parameters: {weight: 0.125}")
    assert [(e.id, e.weight) for e in added.experts] == [("a", 1.0), ("b", 0.5), ("c", 0.125)]


@pytest.mark.parametrize(
    ("lines", "dtype"),
    [
        ("", None),
        ("dtype: null", None),
        ("dtype: float32", "float32"),
        ("dtype: torch.bfloat16", "bfloat16"),
        ("out_dtype: float16", "float16"),
        ("dtype: float32\nout_dtype: bfloat16", "bfloat16"),
        ("out_dtype: bfloat16\ndtype: float64", "bfloat16"),
    ],
)
def test_the_output_type(lines: str, dtype: str | None) -> None:
    assert parse_mergekit(TIES + lines).dtype == dtype


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("org/a+x+y", "'org/a+x+y' names two adapters"),
        ("a@b@c", "'a@b@c' names two revisions"),
        ("{model: {path: a}, lora: {paht: b}}", "it must be a path, or {path, revision}"),
        ("{model: a, override_architecture: X}", "override_architecture tells mergekit"),
        ("5", "model is 5; it must be the path"),
        ("null", "model is None; it must be the path"),
        ('"a\\0"', "control character"),
    ],
)
def test_models_that_are_not_read(model: str, message: str) -> None:
    text = f"models: [{{model: {model}, parameters: {{weight: 1}}}}]\nmerge_method: ties\n"
    assert message in refusal(text + "base_model: base")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("merge_method: ties", "merge_method: tie", "merge_method 'tie'. Did you mean 'ties'"),
        ("merge_method: ties", "merge_method: dare-ties", "Did you mean 'dare_ties'"),
        ("base_model", "base_modle", "mergekit recipe 'base_modle'. Did you mean 'base_model'"),
        ("models:", "model:", "mergekit recipe 'model'. Did you mean 'models'"),
        ("models:", "experts:", "mergekit recipe 'experts'. Did you mean 'models'"),
        ("base_model: base", "base_model: base\nint8_mask: true", "Did you mean 'parameters'"),
        ("base_model: base", "base_model: base\ndtype: float8", "Unknown dtype 'float8'"),
        ("weight: 1}", "wieght: 1}", "parameter of ties 'wieght'. Did you mean 'weight'"),
        ("weight: 1}", "weight: 1, gamma: 1}", "parameter of ties 'gamma'."),
        ("{model: a,", "{model: a, parametres: {},", "Did you mean 'parameters'"),
    ],
)
def test_unknown_names_come_with_the_nearest(old: str, new: str, message: str) -> None:
    assert message in refusal(TIES.replace(old, new), UnknownNameError)


@pytest.mark.parametrize("name", ["density", "lambda", "rescale"])
def test_linear_takes_no_parameters_of_others(name: str) -> None:
    text = HEAD + f"merge_method: linear\nparameters: {{{name}: 1}}"
    assert f"parameter of linear '{name}'" in refusal(text, UnknownNameError)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weight: 1}", "weight: 11}", "model 'a': weight is 11; it must be at least -10"),
        ("weight: 1}", "weight: heavy}", "model 'a': weight is 'heavy'; it must be a number"),
        ("weight: 1}", "weight: .nan}", "model 'a': weight is nan"),
        ("weight: 1}", "density: 1}", "model 'a' has no weight"),
        ("weight: 1}", "weight: 1, density: 1.5}", "model 'a': density is 1.5; it must be at"),
        ("base\n", "base\nparameters: {density: -1}", "parameters: density is -1;"),
        ("base\n", "base\nparameters: {lambda: 20}", "parameters: lambda is 20; it must be"),
        ("base\n", "base\nparameters: {normalize: 2}", "normalize is 2; it must be true or"),
        ("base\n", "base\nparameters: {int8_mask: 'on'}", "int8_mask is 'on'; it must be"),
    ],
)
def test_values_out_of_range(old: str, new: str, message: str) -> None:
    assert message in refusal(TIES.replace(old, new), ParameterError)


def test_a_density_that_drops_everything() -> None:
    text = TIES.replace("ties", "dare_ties").replace("weight: 1}", "weight: 1, density: 0}")
    assert "model 'a': density is 0, which drops everything. Leave the model out" in refusal(text)


@pytest.mark.parametrize("name", ["normalize", "lambda", "rescale"])
def test_parameters_at_the_wrong_place(name: str) -> None:
    message = refusal(TIES.replace("weight: 1}", f"weight: 1, {name}: 1}}"))
    assert f"model 'a': {name} is one value for the whole merge, and mergekit ignores it" in message


def test_int8_mask_means_nothing_anywhere() -> None:
    text = TIES.replace("weight: 1}", "weight: 1, int8_mask: true}")
    assert parse_mergekit(text) == parse_mergekit(TIES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a recipe of mergekit"),
        ("- a", "not a recipe of mergekit"),
        ("a: &x 1\nb: *x", "uses a YAML alias"),
        ("models: [", "not valid YAML: line 1"),
        ("merge_method: ties\nmerge_method: ties", "'merge_method' stands twice"),
        ("# " + "x" * 65_536, "longer than 64 KiB"),
        (HEAD, "merge_method is None; it must be one of linear"),
        (HEAD + "merge_method: [ties]", "merge_method is ['ties']; it must be one of"),
        ("merge_method: linear", "models must be a list"),
        ("merge_method: linear\nmodels: {a: 1}", "models must be a list"),
        ("merge_method: linear\nmodels: [a]", "The entry 'a' of models has no model"),
        ("merge_method: linear\nmodels: [{modl: a}]", "Did you mean 'model' by 'modl'?"),
        ("merge_method: linear\nmodels: []", "exactly one is needed, and there is none"),
        (HEAD.replace("b,", "a,") + "merge_method: linear", "model 'a' is listed twice"),
        (HEAD + "merge_method: linear\nparameters: [1]", "must be names with values"),
        (HEAD + "merge_method: linear\ndtype: [float32]", "dtype is ['float32']; it must be"),
        (HEAD + "merge_method: linear\ndtype: float64", "output type float64 is not written"),
        (HEAD + "merge_method: linear\nbase_model: {modle: a}", "'modle' is no part of a model"),
    ],
)
def test_text_that_is_refused(text: str, message: str) -> None:
    assert message in refusal(text)


# --- Which of the two -----------------------------------------------------------------------------


def test_both_formats_are_recognised() -> None:
    ours = "format: merge-explorer/1\nexperts: [a]\nmethod: linear\n"
    assert read_recipe(ours) == parse_recipe(ours)
    assert read_recipe(TIES) == parse_mergekit(TIES)


@pytest.mark.parametrize("text", ["", "words", "- a", "experts: [a]\nmethod: ties", HEAD, "{}"])
def test_neither_format_says_how_to_tell_them(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(text)
    assert str(caught.value) == (
        "This is neither a recipe of ours (its first line is format: merge-explorer/1) nor one of "
        "mergekit (it has merge_method and models)."
    )


def test_where_both_keys_stand_ours_goes_first() -> None:
    with pytest.raises(UnknownNameError, match=r"key in the recipe 'models'. Did you mean 'exp"):
        read_recipe("format: merge-explorer/1\n" + TIES)


TOKENS = [
    *KEYS,
    *FIVE,
    "slices",
    "sources",
    "layer_range",
    "passthrough",
    "slerp",
    "model",
    "weight",
    "density",
    "a",
    "1",
    "base",
]
MARKS = [": ", "\n", "  ", "- ", "[", "]", "{", "}", ",", "&x ", "*x", "!!int ", "1e9", "|", "'"]
MARKS += ['"', "? ", "#", "---\n", "0x", ".inf", "<<", "@", "+", "\t", "\x07"]


@given(st.lists(st.sampled_from(TOKENS + MARKS), max_size=25).map("".join))
def test_no_text_ends_in_anything_but_a_refusal(text: str) -> None:
    for whole in (text, TIES + text, HEAD + "merge_method: " + text):
        try:
            recipe = read_recipe(whole)
        except RecipeError as error:
            assert 0 < len(str(error)) < 500
        else:
            assert parse_recipe(write_recipe(recipe)) == recipe
