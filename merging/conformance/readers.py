"""Cases to recipes: which method, dialect and options a reference's names stand for."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from merging.conformance.readers_mergekit import MERGEKIT
from merging.conformance.readers_special import SPECIAL
from merging.conformance.task import Params, State, Task, in_order, no_more
from merging.errors import RecipeError

Reader = Callable[[Params, Task], Task]


def origin(source: Mapping[str, str]) -> str:
    """Return the short name of a case's source: package, or repository without its owner."""
    return (source.get("package") or source.get("repo") or "").split("/")[-1].lower()


def read_case(
    case: Mapping[str, Any], models: Mapping[str, State], stored: Mapping[str, Tensor]
) -> Task:
    """Read a case as a recipe on models.

    Args:
        case: An entry of ``index.json``.
        models: All models of its input files, the base as ``base``.
        stored: Its outputs file.

    Raises:
        RecipeError: The method or one of its options is not supported.
    """
    params = {k: v for k, v in case["params"].items() if v is not None}
    reader = READERS.get((origin(case["source"]), case["method"]))
    if reader is None:
        raise RecipeError(f"{case['method']} as in {origin(case['source'])} is not supported.")
    experts = case["models"] or in_order(n for n in models if n != "base")
    task = Task({n: models[n] for n in experts}, models.get("base"), stored, models)
    weights = params.pop("weights", "uniform")
    if weights != "uniform":
        task = replace(task, weights=tuple(float(w) for w in weights))
    return reader(params, task)


def _peft(method: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        density = params.pop("density")
        common: Params = {}
        if method.startswith("dare"):
            common["drop_rate"] = 1 - density
        else:
            common["density"] = density
        if "sign" in params:
            common["election"] = {"total": "sum", "frequency": "count"}[params.pop("sign")]
        no_more(params, ("trim_scope", "agg", "rescale"))
        return replace(task, method=method, dialect="peft", common=common)

    return read


def _authors_ties(params: Params, task: Task) -> Task:
    share = float(params.pop("topk"))
    common = {
        "density": share / 100 if share > 1 else share,
        "combine": str(params.pop("agg", "dis-mean")).removeprefix("dis-"),
        "election": {"mass": "sum", "count": "count"}[params.pop("sign", "mass")],
        "scale": params.pop("lam", 1.0),
    }
    no_more(params, ("trim_scope", "topk_unit"))
    return replace(task, method="ties", common=common)


def _by_mask_rate(scope: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        common = {
            "density": 1 - float(params.pop("mask_rate")),
            "trim_rule": "dropped",
            "trim_scope": scope,
            "combine": str(params.pop("agg", "disjoint-mean")).removeprefix("disjoint-"),
            "scale": params.pop("scaling", 1.0),
        }
        no_more(params, ("trim_scope", "keep_rule"))
        return replace(task, method="ties", common=common)

    return read


def _mergelm_linear(params: Params, task: Task) -> Task:
    no_more(params)
    return replace(task, method="linear")


def _mergelm_sum(params: Params, task: Task) -> Task:
    common = {"scale": params.pop("scaling")}
    no_more(params)
    return replace(task, method="task_arithmetic", common=common)


_RESCALE = {"1/(1-p)": "inverse", "none": "none"}


def _mergelm_dare(params: Params, task: Task) -> Task:
    then = str(params.pop("then"))
    common = {
        "drop_rate": params.pop("drop_rate"),
        "rescale": _RESCALE[params.pop("rescale")],
        "scale": params.pop("scaling_coefficient", 1.0),
    }
    method = "dare"
    if then == "average_merging":
        common["normalize"] = True
    if then == "ties_merging":
        method = "dare_ties"
        common["density"] = 1 - float(params.pop("param_value_mask_rate"))
        common["trim_rule"] = "dropped"
    no_more(params)
    return replace(task, method=method, common=common)


def _mergelm_magnitude(params: Params, task: Task) -> Task:
    common = {
        "density": 1 - float(params.pop("drop_rate")),
        "rescale": _RESCALE[params.pop("rescale")],
        "normalize": params.pop("then") == "average_merging",
    }
    no_more(params, ("trim-scope", "trim_scope"))
    return replace(task, method="magnitude_prune", common=common)


def _mergellm_breadcrumbs(params: Params, task: Task) -> Task:
    common = {
        "density": params.pop("param_density"),
        "small": params.pop("small_mask_rate"),
        "scale": params.pop("scaling"),
        "form": "thresholds",
    }
    no_more(params, ("scope",))
    return replace(task, method="breadcrumbs", common=common)


def _authors_breadcrumbs(params: Params, task: Task) -> Task:
    common = {
        "density": params.pop("beta_keep"),
        "gamma": params.pop("gamma_remove"),
        "scale": params.pop("alpha"),
        "form": "row",
    }
    no_more(params, ("scope",))
    return replace(task, method="breadcrumbs", common=common)


def _mergellm_widen(params: Params, task: Task) -> Task:
    common = {
        "ratio": params.pop("above_average_value_ratio"),
        "owned": params.pop("score_calibration_value"),
        "embeddings": ", ".join(params.pop("embedding_keys", [])),
    }
    no_more(params)
    return replace(task, method="widen", common=common)


def _stock(params: Params, task: Task) -> Task:
    common = {"by_row": params.pop("filter_wise", False)}
    no_more(params)
    return replace(task, method="model_stock", common=common)


def _fuseai_sce(params: Params, task: Task) -> Task:
    common = {"select": params.pop("select_topk")}
    no_more(params)
    return replace(task, method="sce", common=common)


def _pcb(params: Params, task: Task) -> Task:
    if "lams" in params:
        task = replace(task, weights=tuple(params.pop("lams")))
    common = {
        "ratio": params.pop("pcb_ratio"),
        "clamp": params.pop("clamp_ratio"),
        "scale": params.pop("lam", 1.0),
    }
    no_more(params, ("scope",))
    return replace(task, method="pcb", common=common)


def _scaled(method: str, names: Mapping[str, str] = MappingProxyType({})) -> Reader:
    def read(params: Params, task: Task) -> Task:
        common = {ours: params.pop(theirs) for theirs, ours in names.items() if theirs in params}
        common["scale"] = params.pop("lam", params.pop("scaling", 1.0))
        no_more(params)
        return replace(task, method=method, common=common)

    return read


def _knots(params: Params, task: Task) -> Task:
    share = float(params.pop("topk"))
    common = {
        "density": share / 100 if share > 1 else share,
        "combine": params.pop("agg"),
        "scale": params.pop("scaling"),
    }
    no_more(params)
    return replace(task, method="knots_ties", common=common)


READERS: Mapping[tuple[str, str], Reader] = {
    **MERGEKIT,
    **SPECIAL,
    ("peft", "ties"): _peft("ties"),
    ("peft", "dare_linear"): _peft("dare"),
    ("peft", "dare_ties"): _peft("dare_ties"),
    ("peft", "magnitude_prune"): _peft("magnitude_prune"),
    ("ties-merging", "ties"): _authors_ties,
    ("mergelm", "ties"): _by_mask_rate("global"),
    ("mergellm", "ties"): _by_mask_rate("tensor"),
    ("mergelm", "linear"): _mergelm_linear,
    ("mergelm", "task_arithmetic"): _mergelm_sum,
    ("mergelm", "dare+average_merging"): _mergelm_dare,
    ("mergelm", "dare+task_arithmetic"): _mergelm_dare,
    ("mergelm", "dare+ties_merging"): _mergelm_dare,
    ("mergelm", "magnitude_prune+average"): _mergelm_magnitude,
    ("mergellm", "breadcrumbs"): _mergellm_breadcrumbs,
    ("breadcrumbs", "breadcrumbs"): _authors_breadcrumbs,
    ("mergellm", "widen"): _mergellm_widen,
    ("mergellm", "model_stock"): _stock,
    ("fuseai", "sce"): _fuseai_sce,
    ("pcb-merging", "pcb"): _pcb,
    ("fusion_bench", "iso_c"): _scaled("iso_c"),
    ("fusion_bench", "iso_cts"): _scaled("iso_cts", {"common_space_fraction": "common"}),
    ("fusion_bench", "tsv_m"): _scaled("tsv_m"),
    ("fusion_bench", "consensus"): _scaled(
        "consensus_ta", {"tall_lambda": "matters", "k": "least_tasks"}
    ),
    ("knots", "knots"): _knots,
}
