"""Recipes of ours to a file that mergekit 0.1.5 accepts, or why there is none."""

from collections.abc import Iterator, Sequence
from typing import Any

from merging.errors import RecipeError
from merging.methods.params import Value
from merging.recipe.document import write_document
from merging.recipe.layers import Layers
from merging.recipe.local import Curve, Local, Rule
from merging.recipe.mergekit import token_rows
from merging.recipe.mergekit.table import METHODS, Method, theirs_of
from merging.recipe.model import Expert, Recipe
from merging.recipe.tokens import POSITION

Entry = dict[str, Any]


def why_not(recipe: Recipe) -> tuple[str, ...]:
    """Return every reason why mergekit cannot give the same weights; none where it can."""
    theirs = _theirs(recipe)
    if theirs is None:
        return (f"mergekit has no method like {recipe.spec.label}.",)
    return tuple(dict.fromkeys(_reasons(recipe, METHODS[theirs])))


def write_mergekit(recipe: Recipe, name: str = "") -> str:
    """Write a recipe as one of mergekit 0.1.5.

    Args:
        recipe: Any.
        name: Of the document, where a file has several.

    Raises:
        RecipeError: mergekit cannot express it; all reasons are named.
    """
    reasons = why_not(recipe)
    theirs = _theirs(recipe)
    if reasons or theirs is None:
        raise RecipeError(f"mergekit cannot express this recipe. {' '.join(reasons)}")
    method = METHODS[theirs]
    data: Entry = {"merge_method": theirs}
    if name:
        data = {"name": name, **data}
    base = recipe.experts[0].id if theirs == "slerp" else recipe.base
    first = recipe.base_layers or (recipe.experts[0].layers if theirs == "slerp" else ())
    if base is not None and _based(recipe, method):
        data["base_model"] = first[0].model if first else base
    if any(e.layers for e in recipe.experts):
        data["slices"] = list(_slices(recipe, method))
    else:
        data["models"] = [{"model": e.id, **_own(recipe, method, e, None)} for e in recipe.experts]
    if common := _common(recipe, method, None):
        data["parameters"] = common
    if recipe.dtype is not None:
        data["dtype"] = "float32"  # what it computes in
    if recipe.dtype not in (None, "float32"):
        data["out_dtype"] = recipe.dtype
    return write_document(data | _tokens(recipe))


def _based(recipe: Recipe, method: Method) -> bool:
    """Whether a document names the base as such."""
    return method.base != "input" and _around(recipe) != "origin"


def _theirs(recipe: Recipe) -> str | None:
    """mergekit's method with this recipe's meaning."""
    settings = recipe.settings()
    if recipe.method == "linear":
        alone = len(recipe.experts) == 1 and not settings.flag("normalize")
        return "passthrough" if alone else "linear"
    return next((name for name, m in METHODS.items() if m.ours == recipe.method), None)


def _reasons(recipe: Recipe, method: Method) -> Iterator[str]:
    if recipe.set is not None:
        yield f"The set {recipe.set!r} is not a model of mergekit; name its folders instead."
    common, theirs = recipe.settings().common, recipe.spec.defaults("mergekit")
    known = {t.ours for t in method.params.values()} | {"around", "flatten"}
    fixed = theirs | dict(method.fixed)
    for param in recipe.spec.active(recipe.settings()):
        usual = fixed[param.name]
        if param.name not in known and common[param.name] != usual:
            yield (
                f"{param.name} is {common[param.name]}; mergekit's {recipe.spec.label} always has "
                f"{usual}."
            )
    for name, t in method.params.items():
        if t.ours and t.ours != "weight" and theirs_of(t.way, common[t.ours]) is None:
            yield f"{t.ours} is {common[t.ours]}; mergekit's {name} has no word for it."
    for entry in recipe.local:
        if entry.param not in known:
            yield f"{entry.param} differs between tensors; in mergekit it cannot."
        for rule in entry.rules:
            yield from _hidden(entry, rule, recipe)
    if recipe.base_layers and not any(e.layers for e in recipe.experts):
        yield "The base is put together from layers and the experts are not."
    yield from token_rows.why_not(recipe.tokens, _based(recipe, method))
    yield from _of_pieces(recipe)
    if recipe.method == "karcher" and any(e.weight != 1 for e in recipe.experts):
        yield "mergekit's karcher has no weights."
    if recipe.method == "multislerp" and sum(e.weight for e in recipe.experts) == 0:
        yield "mergekit's multislerp divides by the sum of the weights, which is 0."


def _hidden(entry: Local, rule: Rule, recipe: Recipe) -> Iterator[str]:
    where = f"{entry.param} at the filter {rule.filter!r:.60}"
    if rule.filter == "*":
        yield f"{where}: '*' matches every name in mergekit."
    if isinstance(rule.value, Curve) and len(rule.value.values) == 1:
        yield f"{where}: a curve of one value."
    runs = {run for run, _ in _pieces(recipe)}
    if rule.layers is not None and rule.layers not in runs:
        yield f"{where} holds in layers {rule.layers}, which are no slice of the merge."
    if rule.layers is None and isinstance(rule.value, Curve) and len(runs) > 1:
        yield f"{where}: a curve over all layers; in mergekit it starts again in each slice."


def _of_pieces(recipe: Recipe) -> Iterator[str]:
    cuts = {
        tuple(run.stop - run.start for run in runs)
        for runs in (recipe.base_layers, *(e.layers for e in recipe.experts))
        if runs
    }
    if len(cuts) > 1:
        yield "The models are cut into runs of layers at different places."
    if any(e.layers for e in recipe.experts) and not all(e.layers for e in recipe.experts):
        yield "Some experts are put together from layers and others are not."
    if recipe.base and any(e.layers for e in recipe.experts) and not recipe.base_layers:
        yield "The experts are put together from layers and the base is not."


def _pieces(recipe: Recipe) -> list[tuple[tuple[int, int] | None, int]]:
    """Runs of the result and the number of each slice."""
    runs = next((e.layers for e in recipe.experts if e.layers), ())
    if not runs:
        return [(None, 0)]
    found: list[tuple[tuple[int, int] | None, int]] = []
    begin = 0
    for number, run in enumerate(runs):
        found.append(((begin, begin + run.stop - run.start), number))
        begin += run.stop - run.start
    return found


def _slices(recipe: Recipe, method: Method) -> Iterator[Entry]:
    for run, number in _pieces(recipe):
        sources = [
            {**_source(e.layers[number]), **_own(recipe, method, e, run)} for e in recipe.experts
        ]
        entry: Entry = {"sources": sources}
        layers = recipe.base_layers or (
            recipe.experts[0].layers if recipe.method == "slerp" else ()
        )
        if recipe.base_layers:
            sources.append(_source(layers[number]))
        if layers and layers[number].model != layers[0].model:
            entry["base_model"] = layers[number].model
        if common := _common(recipe, method, run, only_here=True):
            entry["parameters"] = common
        yield entry


def _source(run: Layers) -> Entry:
    return {"model": run.model, "layer_range": [run.start, run.stop]}


def _common(
    recipe: Recipe, method: Method, run: tuple[int, int] | None, only_here: bool = False
) -> Entry:
    """Parameters for all: of a slice those that hold there only, else the rest."""
    found: Entry = {}
    settings, said = recipe.settings().common, dict(recipe.params)
    usual = recipe.spec.defaults("mergekit") | dict(method.fixed)
    for name, t in method.params.items():
        if not t.ours or t.ours == "weight":
            continue
        told = t.required or t.ours in said or settings[t.ours] != usual[t.ours]
        rules = _rules(recipe.local, t.ours, "")
        if only_here:
            value = _setting([r for r in rules if r.layers == run], None, t.way)
        else:
            plain = settings[t.ours] if told else None
            value = _setting([r for r in rules if r.layers is None], plain, t.way)
        if value is not None:
            found[name] = value
    if not only_here and recipe.method == "nuslerp" and settings["flatten"] != "tensor":
        found["nuslerp_flatten"] = False
        found["nuslerp_row_wise"] = settings["flatten"] == "column"
    return found


def _own(recipe: Recipe, method: Method, expert: Expert, run: tuple[int, int] | None) -> Entry:
    """An expert's own parameters in one slice."""
    found: Entry = {}
    for name, t in method.params.items():
        if t.scope != "model":
            continue
        rules = [r for r in _rules(recipe.local, t.ours, expert.id) if r.layers in (None, run)]
        plain = expert.weight if t.ours == "weight" else dict(expert.params).get(t.ours)
        value = _setting(rules, plain, t.way)
        if value is not None and not (name == "scale" and value == 1):
            found[name] = value
    return {"parameters": found} if found else {}


def _rules(local: Sequence[Local], param: str, expert: str) -> tuple[Rule, ...]:
    return next((e.rules for e in local if (e.param, e.expert) == (param, expert)), ())


def _setting(rules: Sequence[Rule], plain: Value | None, way: Any) -> Any:
    """One setting in mergekit's words, or None where nothing is said."""
    words = [_condition(rule, way) for rule in rules]
    if not rules:
        return None if plain is None else theirs_of(way, plain)
    closed = not rules[-1].filter
    if closed and len(rules) == 1:
        return words[0]["value"]
    if not closed and plain is not None:
        words.append({"value": theirs_of(way, plain)})
    return words


def _condition(rule: Rule, way: Any) -> Entry:
    found: Entry = {"filter": rule.filter} if rule.filter else {}
    if isinstance(rule.value, Curve):
        return found | {"value": [theirs_of(way, v) for v in rule.value.values]}
    return found | {"value": theirs_of(way, rule.value)}


def _around(recipe: Recipe) -> Value:
    return recipe.settings().common.get("around", "base")


def _tokens(recipe: Recipe) -> Entry:
    """What a document says of tokens; rows by position are what mergekit does by itself."""
    found: Entry = {}
    if recipe.tokenizer not in (None, POSITION):
        pad = recipe.pad_to_multiple_of
        whole: Entry = {"source": recipe.tokenizer}
        whole |= {"pad_to_multiple_of": pad} if pad > 1 else {}
        whole |= {"tokens": token_rows.written(recipe.tokens, recipe.base)} if recipe.tokens else {}
        found = {"tokenizer": whole} if len(whole) > 1 else {"tokenizer_source": recipe.tokenizer}
    return found | ({"chat_template": recipe.chat_template} if recipe.chat_template else {})


__all__ = ["why_not", "write_mergekit"]
