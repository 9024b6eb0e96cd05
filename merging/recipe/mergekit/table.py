"""mergekit's methods and parameters in our words, both ways."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from merging.errors import ParameterError
from merging.methods.params import Value

Scope = Literal["global", "model", "nothing"]
Way = Literal["same", "rest", "combine", "l1", "flag"]


@dataclass(frozen=True, slots=True)
class Theirs:
    """A parameter of mergekit.

    Attributes:
        ours: Our name; "" where it changes no result.
        scope: global: one for all; model: may stand at each; nothing: no effect anywhere.
        way: How values are turned: rest is 1 - x; combine, l1 and flag turn a switch.
        required: mergekit stops without it.
    """

    ours: str
    scope: Scope = "global"
    way: Way = "same"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A method of mergekit.

    Attributes:
        ours: Id of ours.
        params: Its parameters.
        base: required, optional (its absence changes the method) or an input like the others.
        fixed: Settings of ours that the method always has.
        pair: Exactly the base and one other model.
    """

    ours: str
    params: Mapping[str, Theirs]
    base: Literal["required", "optional", "input"] = "required"
    fixed: tuple[tuple[str, Value], ...] = ()
    pair: bool = False


NOTHING = Theirs("", "nothing")
WEIGHT = Theirs("weight", "model", required=True)
_COMMON = {"weight": WEIGHT, "lambda": Theirs("scale"), "int8_mask": NOTHING}
_DENSITY = {"density": Theirs("density", "model")}
_DROP = {"density": Theirs("drop_rate", "model", "rest")}
_MEAN = {"normalize": Theirs("combine", way="combine")}
_DIVIDE = {"normalize": Theirs("normalize", way="flag")}
_L1 = {"rescale": Theirs("rescale", way="l1")}
_EPSILON = {"epsilon": Theirs("epsilon", "model")}
_GAMMA = {"gamma": Theirs("gamma", "model")}
_UNDROPPED = (("drop_rate", 0.0),)
_FULL = (("density", 1.0),)

METHODS: Mapping[str, Method] = {
    "linear": Method("linear", {"weight": WEIGHT, **_DIVIDE, "int8_mask": NOTHING}, "input"),
    "task_arithmetic": Method(
        "task_arithmetic", {**_COMMON, **_DIVIDE, "density": NOTHING, "rescale": NOTHING}
    ),
    "ties": Method("ties", {**_COMMON, **_DENSITY, **_MEAN, **_L1}),
    "dare_linear": Method("dare", {**_COMMON, **_DROP, **_DIVIDE, **_L1}, fixed=_UNDROPPED),
    "dare_ties": Method("dare_ties", {**_COMMON, **_DROP, **_MEAN, **_L1}, fixed=_UNDROPPED),
    "della": Method("della", {**_COMMON, **_DENSITY, **_EPSILON, **_MEAN, **_L1}, fixed=_FULL),
    "della_linear": Method(
        "della_linear", {**_COMMON, **_DENSITY, **_EPSILON, **_DIVIDE, **_L1}, fixed=_FULL
    ),
    "breadcrumbs": Method("breadcrumbs", {**_COMMON, **_DENSITY, **_GAMMA, **_DIVIDE, **_L1}),
    "breadcrumbs_ties": Method(
        "breadcrumbs_ties", {**_COMMON, **_DENSITY, **_GAMMA, **_MEAN, **_L1}
    ),
    "sce": Method("sce", {"select_topk": Theirs("select"), "int8_mask": NOTHING}),
    "ram": Method("ram", {"epsilon": Theirs("changed")}),
    "ramplus_tl": Method(
        "ram_plus",
        {"epsilon": Theirs("changed"), "r": Theirs("boost"), "alpha": Theirs("ceiling")},
    ),
    "model_stock": Method("model_stock", {"filter_wise": Theirs("by_row", way="flag")}),
    "karcher": Method(
        "karcher", {"max_iter": Theirs("rounds"), "tol": Theirs("tolerance")}, "input"
    ),
    "multislerp": Method(
        "multislerp",
        {"weight": WEIGHT, "normalize_weights": NOTHING, "eps": NOTHING},
        "optional",
    ),
    "nuslerp": Method(
        "nuslerp",
        {"weight": WEIGHT, "nuslerp_flatten": NOTHING, "nuslerp_row_wise": NOTHING},
        "optional",
    ),
    "slerp": Method("slerp", {"t": Theirs("t", required=True)}, pair=True),
    "nearswap": Method("nearswap", {"t": Theirs("t", required=True)}, pair=True),
    "arcee_fusion": Method("arcee_fusion", {}, pair=True),
    "passthrough": Method(
        "linear", {"scale": Theirs("weight", "model")}, "input", fixed=(("normalize", False),)
    ),
}
ALIASES = {"della": "della", "dare": "dare_linear", "frankenmerge": "passthrough"}


def ours_of(way: Way, value: Value, where: str) -> object:
    """Return a value of mergekit in our words; the parameter checks it afterwards.

    Raises:
        ParameterError: A density of 0 leaves nothing, or a switch is no switch.
    """
    if way == "same":
        return float(value) if isinstance(value, str) and _is_number(value) else value
    if way == "rest":
        return _rest(value, where)
    if value not in (0, 1):
        raise ParameterError(f"{where} is {value!r:.60}; it must be true or false.")
    if way == "combine":
        return "weighted_mean" if value else "sum"
    return ("l1" if value else "none") if way == "l1" else bool(value)


def theirs_of(way: Way, value: Value) -> Value | None:
    """Return a value of ours in mergekit's words, or None where it has no word for it."""
    if way == "rest":
        return round(1 - float(value), 12)
    words: dict[Value, bool] = {}
    if way == "combine":
        words = {"weighted_mean": True, "sum": False}
    elif way == "l1":
        words = {"l1": True, "none": False}
    return words.get(value) if words else value


def _rest(density: Value, where: str) -> object:
    if isinstance(density, str) and _is_number(density):
        density = float(density)
    if isinstance(density, bool | str):
        return density
    if not 0 <= density <= 1:
        raise ParameterError(f"{where} is {density:g}; it must be at least 0 and at most 1.")
    rate = round(1 - density, 12)  # 0.7 for 0.3
    if rate >= 1:
        raise ParameterError(
            f"{where} is {density:g}, which drops everything. Leave the model out."
        )
    return rate


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) <= 40
