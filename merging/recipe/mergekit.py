"""Recipes of mergekit 0.1.5: ``models:`` with plain numbers as parameters, in dialect mergekit.

What mergekit ignores silently is refused here with its name, since the result would not be what
the recipe says. Two things differ from a run of mergekit: ``dtype`` makes mergekit round the inputs
first and compute in that type, while merges here are computed in float32 at least, so that results
agree to that type's precision only unless it is float32; and the random masks of dare_linear and
dare_ties follow from seed, tensor and expert, not from the order of draws.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from merging.errors import ParameterError, RecipeError, unknown
from merging.methods.arithmetic import SCALE
from merging.methods.average import NORMALIZE
from merging.methods.params import WEIGHT, Param, Value
from merging.methods.ties import DENSITY
from merging.recipe.document import read_document
from merging.recipe.model import DTYPES, Expert, Recipe

METHODS = {
    "linear": "linear",
    "task_arithmetic": "task_arithmetic",
    "ties": "ties",
    "dare_linear": "dare",
    "dare_ties": "dare_ties",
}
METHODS_NOT_READ = (
    *("arcee_fusion", "breadcrumbs", "breadcrumbs_ties", "della", "della_linear", "karcher"),
    *("model_stock", "multislerp", "nearswap", "nuslerp", "passthrough", "ram", "ramplus_tl"),
    *("sce", "slerp"),
)
KEYS = ("merge_method", "base_model", "models", "parameters", "dtype", "out_dtype")
KEYS_NOT_READ = (
    *("slices", "modules", "tokenizer_source", "tokenizer", "chat_template"),
    *("name", "genome", "tasks"),
)
MODEL_KEYS = ("model", "parameters")
TYPES = (*DTYPES, "float64", "int64")

_OWN: Mapping[str, Param] = {"weight": WEIGHT, "density": DENSITY}
_SHARED: Mapping[str, Param] = {
    "lambda": replace(SCALE, name="lambda"),
    "normalize": NORMALIZE,
    "rescale": replace(NORMALIZE, name="rescale"),
    "int8_mask": replace(NORMALIZE, name="int8_mask"),
}
_PARAMETERS = {**_OWN, **_SHARED}
_OF_LINEAR = ("weight", "normalize", "int8_mask")
Values = dict[str, Value]


def parse_mergekit(text: str) -> Recipe:
    """Read a recipe of mergekit.

    Args:
        text: YAML, at most 64 KiB, with ``models`` and one of ``METHODS``. Parameters are weight
            (required) and density, at the models or for all, and for all normalize, lambda,
            rescale and int8_mask (a matter of speed). A model's own value counts before that for
            all.

    Returns:
        The recipe in dialect mergekit: ids are the models as written, density d of a dare method
        is the drop rate 1 - d, lambda is scale, ``out_dtype``, else ``dtype``, is the output type.
        ``base_model`` is no expert even where it stands among the models, except for linear,
        which has no base and averages it with the others.

    Raises:
        RecipeError: Not YAML, not mergekit's, an unknown key (the nearest known one is named), a
            part of mergekit's format that is not read, or a value that is refused.
    """
    return recipe_of_mergekit(
        read_document(
            text, "This is not a recipe of mergekit: it has no merge_method, models and so on."
        )
    )


def recipe_of_mergekit(data: dict[str, Any]) -> Recipe:
    """Return the recipe that a mapping in mergekit's format describes.

    Raises:
        RecipeError: As ``parse_mergekit``.
    """
    data = {key: value for key, value in data.items() if value is not None}
    _check_keys(data)
    theirs = _method(data.get("merge_method"))
    base = _reference(data["base_model"], "base_model") if "base_model" in data else None
    shared = _parameters(data.get("parameters"), theirs, "parameters")
    models = dict(_models(data.get("models"), theirs))
    if theirs == "linear":
        if base is not None:
            models.setdefault(base, {})  # mergekit averages it with the others
    elif base is None:
        raise RecipeError(f"{theirs} needs a base model. Add base_model.")
    else:
        models.pop(base, None)
    return Recipe(
        method=METHODS[theirs],
        experts=tuple(_expert(n, own, shared, theirs, base) for n, own in models.items()),
        base=None if theirs == "linear" else base,
        params=tuple({**_undropped(theirs), **_translated(shared, theirs, "parameters")}.items()),
        dialect="mergekit",
        dtype=_output_type(data),
    )


def _check_keys(data: Mapping[str, Any]) -> None:
    for key in data:
        if key in KEYS_NOT_READ:
            raise _not_read(key)
        if key not in KEYS:
            meant = dict.fromkeys(_PARAMETERS, "parameters") | {"experts": "models"}
            raise unknown("key in the mergekit recipe", key, (*KEYS, *KEYS_NOT_READ), meant)


def _method(name: object) -> str:
    if not isinstance(name, str):
        raise RecipeError(f"merge_method is {name!r:.60}; it must be one of {', '.join(METHODS)}.")
    if name in METHODS_NOT_READ:
        raise _not_read(f"merge_method {name}")
    if name not in METHODS:
        raise unknown("merge_method", name, (*METHODS, *METHODS_NOT_READ))
    return name


def _models(entries: object, method: str) -> Iterator[tuple[str, Values]]:
    """Yield every listed model with its own parameters."""
    if not isinstance(entries, list):
        raise RecipeError("models must be a list of entries such as {model: path}.")
    seen = set()
    for entry in entries:
        if not isinstance(entry, dict) or "model" not in entry:
            keys = map(str, entry) if isinstance(entry, dict) else ()
            near = [
                k[:40] for k in keys if get_close_matches(k[:40].lower(), ("model",), cutoff=0.7)
            ]
            hint = f"Did you mean 'model' by {near[0]!r}?" if near else "Name its path."
            raise RecipeError(f"The entry {entry!r:.60} of models has no model. {hint}")
        for key in entry:
            if key not in MODEL_KEYS:
                raise unknown("key of a model", key, MODEL_KEYS)
        name = _reference(entry["model"], "model")
        if name in seen:
            raise RecipeError(f"The model {name!r:.60} is listed twice. Keep one of them.")
        seen.add(name)
        yield name, _own(entry.get("parameters"), method, f"model {name!r:.60}")


def _own(entries: object, method: str, where: str) -> Values:
    own = _parameters(entries, method, where)
    for name in own:
        if name in _SHARED and name != "int8_mask":
            raise RecipeError(
                f"{where}: {name} is one value for the whole merge, and mergekit ignores it at a "
                "model. Put it into the parameters of the recipe."
            )
    return own


def _parameters(entries: object, method: str, where: str) -> Values:
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise RecipeError(f"{where}: parameters must be names with values.")
    known = _OF_LINEAR if method == "linear" else tuple(_PARAMETERS)
    for name in entries:
        if name not in known:
            raise unknown(f"parameter of {method}", name, known)
    return {name: _scalar(name, value, where) for name, value in entries.items()}


def _scalar(name: str, value: object, where: str) -> Value:
    if isinstance(value, list | dict):
        kind = "value that depends on layer or tensor (a list, or value and filter)"
        raise _not_read(f"{where}: {name} is a {kind}: it")
    param = _PARAMETERS[name]
    if isinstance(param.default, bool) and value in (0, 1):
        value = bool(value)
    return param.check(value, where)


def _expert(name: str, own: Values, shared: Values, method: str, base: str | None) -> Expert:
    where = f"model {name!r:.60}"
    weight = own.get("weight", shared.get("weight"))
    if weight is None and name == base:
        raise RecipeError(
            "linear averages base_model with the other models and needs its weight. List it under "
            "models with a weight, or leave base_model out."
        )
    if weight is None:
        raise ParameterError(f"{where} has no weight. Add parameters: {{weight: 1.0}}.")
    return Expert(name, float(weight), tuple(_translated(own, method, where).items()))


def _undropped(method: str) -> Values:
    """A density that nobody gives is 1 in mergekit."""
    return {"drop_rate": 0.0} if method.startswith("dare") else {}


def _translated(values: Values, method: str, where: str) -> Values:
    """Return parameters under our names; those without effect on the result are left out."""
    ours: Values = {}
    dense, votes = method in ("linear", "task_arithmetic"), method.endswith("ties")
    for name, value in values.items():
        if name == "density" and method.startswith("dare"):
            ours["drop_rate"] = _drop_rate(float(value), where)
        elif name == "density" and not dense:
            ours["density"] = value
        elif name == "lambda":
            ours["scale"] = value
        elif name == "normalize" and votes:
            ours["combine"] = "weighted_mean" if value else "sum"
        elif name == "normalize":
            ours["normalize"] = value
        elif name == "rescale" and not dense:
            ours["rescale"] = "l1" if value else "none"
    return ours


def _drop_rate(density: float, where: str) -> float:
    rate = round(1 - density, 12)  # 0.7 for 0.3
    if rate >= 1:
        raise ParameterError(
            f"{where}: density is {density:g}, which drops everything. Leave the model out."
        )
    return rate


def _reference(value: object, where: str) -> str:
    if isinstance(value, dict):
        raise _not_read(f"{where} in parts ({', '.join(map(str, value))})"[:120])
    if not isinstance(value, str):
        raise RecipeError(f"{where} is {value!r:.60}; it must be the path of a model folder.")
    for mark, meaning in (("+", "lora"), ("@", "revision")):
        if mark in value:
            raise _not_read(f"{where} {value!r:.60} with a {meaning} ({mark})")
    return value


def _output_type(data: Mapping[str, Any]) -> str | None:
    chosen = None
    for key in ("dtype", "out_dtype"):
        if key not in data:
            continue
        if not isinstance(data[key], str):
            raise RecipeError(f"{key} is {data[key]!r:.60}; it must be a word.")
        chosen = data[key].removeprefix("torch.")
        if chosen not in TYPES:
            raise unknown(key, chosen, TYPES)
    if chosen in TYPES and chosen not in DTYPES:
        raise RecipeError(f"The output type {chosen} is not written. Set out_dtype to float32.")
    return chosen


def _not_read(what: str) -> RecipeError:
    return RecipeError(
        f"{what} is part of mergekit's format that this version does not read yet. It reads models "
        f"with plain numbers as parameters, merged by {', '.join(METHODS)}."
    )
