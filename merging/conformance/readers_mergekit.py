"""mergekit's cases to recipes."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from merging.conformance.task import Params, Task, no_more

Reader = Callable[[Params, Task], Task]

_DIVIDES_OWN_SUM = ("linear", "task_arithmetic", "dare", "breadcrumbs", "della_linear")
_RENAMED = {
    "lam": "scale",
    "rescale": "rescale",
    "max_iter": "rounds",
    "tol": "tolerance",
    "select_topk": "select",
    "filter_wise": "by_row",
    "gamma": "gamma",
    "epsilon": "epsilon",
    "t": "t",
}
_DESCRIBED = ("trim_scope", "scope", "eps")


def _shared(method: str) -> Reader:
    """Read a method of the task-vector family, or one whose options only have other names."""

    def read(params: Params, task: Task) -> Task:
        common: Params = {}
        each: dict[str, list[float]] = {}
        normalize = params.pop("normalize", None)
        if normalize is not None and method in _DIVIDES_OWN_SUM:
            common["normalize"] = normalize
        elif normalize is not None:
            common["combine"] = "weighted_mean" if normalize else "sum"
        vote = str(params.pop("sign", "weighted-sum")).split(",")[0]
        common |= {"weighted-sum": {}, "sum": {}, "count": {"election": "count"}}[vote]
        densities = params.pop("densities", None)
        if densities is not None and method.startswith("dare"):
            each["drop_rate"] = [1 - d for d in densities]
        elif densities is not None:
            each["density"] = list(densities)
        common |= {
            ours: params.pop(theirs) for theirs, ours in _RENAMED.items() if theirs in params
        }
        no_more(params, _DESCRIBED)
        return replace(task, method=method, dialect="mergekit", common=common, each=each)

    return read


def _unweighted(method: str) -> Reader:
    """As ``_shared``, for methods that pass over weights and whether they are normalised."""

    def read(params: Params, task: Task) -> Task:
        params.pop("normalize", None)
        return replace(_shared(method)(params, task), weights=None)

    return read


def _slerp(params: Params, task: Task) -> Task:
    first, second = params.pop("v0"), params.pop("v1")
    models = {first: task.files[first], second: task.files[second]}
    common = {"t": params.pop("t")}
    if "dot_threshold" in params:
        common["linear_above"] = params.pop("dot_threshold")
    no_more(params)
    return replace(task, method="slerp", models=models, base=None, common=common)


def _around(method: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        common = {"around": "base" if params.pop("base", True) else "origin"}
        flatten, by_row = params.pop("flatten", True), params.pop("row_wise", False)
        if method == "nuslerp":
            common["flatten"] = "tensor" if flatten else "column" if by_row else "row"
        no_more(params, _DESCRIBED)
        return replace(task, method=method, dialect="mergekit", common=common)

    return read


def _pair(method: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        other = params.pop("other")
        common = {"t": params.pop("t")} if "t" in params else {}
        base = task.files[params.pop("base", "base")]
        no_more(params)
        models = {other: task.files[other]}
        return replace(
            task, method=method, dialect="mergekit", models=models, base=base, common=common
        )

    return read


MERGEKIT: Mapping[tuple[str, str], Reader] = {
    **{
        ("mergekit", name): _shared(ours)
        for name, ours in {
            "linear": "linear",
            "task_arithmetic": "task_arithmetic",
            "ties": "ties",
            "dare_linear": "dare",
            "dare_ties": "dare_ties",
            "della": "della",
            "della_linear": "della_linear",
            "breadcrumbs": "breadcrumbs",
            "breadcrumbs_ties": "breadcrumbs_ties",
        }.items()
    },
    ("mergekit", "karcher"): _unweighted("karcher"),
    ("mergekit", "model_stock"): _unweighted("model_stock"),
    ("mergekit", "sce"): _unweighted("sce"),
    ("mergekit", "slerp"): _slerp,
    ("mergellm", "slerp"): _slerp,
    ("mergekit", "nuslerp"): _around("nuslerp"),
    ("mergekit", "multislerp"): _around("multislerp"),
    ("mergekit", "nearswap"): _pair("nearswap"),
    ("mergekit", "arcee_fusion"): _pair("arcee_fusion"),
}
