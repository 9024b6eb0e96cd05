"""Cases that hand in more than models: statistics, a target to score by, masks, task vectors."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from merging.conformance.task import Found, Given, Params, State, Task, in_order, no_more
from merging.engine import Outcome
from merging.evaluation.fisher import batch_fisher

Reader = Callable[[Params, Task], Task]


def _with_statistics(task: Task, kind: str) -> tuple[dict[str, State], dict[str, State]]:
    """Experts, and by expert what stands as ``kind`` and its number beside them."""
    experts = [n for n in task.files if n != "base" and not re.fullmatch(rf"{kind}\d+", n)]
    beside = {name: task.files[f"{kind}{i}"] for i, name in enumerate(in_order(experts))}
    return {n: m for n, m in task.models.items() if n in beside}, beside


def _fisher_options(params: Params, task: Task, count: int) -> Task:
    coefficients = params.pop("coefficients", "uniform")
    rules = {
        "F + floor": "add",
        "max(F, floor) for target model only": "first",
        "max(F, floor) for all": "all",
    }
    common = {
        "normalize": params.pop("normalize"),
        "floor": params.pop("floor"),
        "floor_rule": rules[params.pop("floor_rule", "F + floor")],
    }
    no_more(params)
    weights = (1.0,) * count if coefficients == "uniform" else tuple(coefficients)
    return replace(task, method="fisher", common=common, weights=weights)


def _fisher(params: Params, task: Task) -> Task:
    experts, found = _with_statistics(task, "fisher")
    diagonals = {
        ("fisher", expert, name): tensor
        for expert in experts
        for name, tensor in found[expert].items()
    }
    task = replace(task, models=experts, statistics=Given(diagonals))
    return _fisher_options(params, task, len(experts))


def _fisher_from_data(params: Params, task: Task) -> Task:
    experts, data = _with_statistics(task, "data")
    size, used = int(params.pop("batch_size")), int(params.pop("n_examples"))
    diagonals: dict[tuple[str, str, str], Tensor] = {}
    for expert, weights in experts.items():
        # A softmax-linear model: one matrix and one vector, whatever they are called.
        named = {"weight" if t.dim() == 2 else "bias": n for n, t in weights.items()}
        (inputs,) = data[expert].values()
        weight, bias = weights[named["weight"]], weights[named["bias"]]
        # The reference counts whole batches until it has enough.
        found = batch_fisher(weight, bias, inputs[: math.ceil(used / size) * size], size)
        diagonals |= {("fisher", expert, named[n]): t for n, t in found.items()}
    params.pop("estimator", None)
    task = replace(task, models=experts, statistics=Given(diagonals))
    return _fisher_options(params, task, len(experts))


def _regmean(params: Params, task: Task) -> Task:
    experts, found = _with_statistics(task, "gram")
    layers = params.pop("linear_keys")
    grams = {
        ("gram", expert, layer): found[expert][layer.removesuffix(".weight")]
        for expert in experts
        for layer in layers
    }
    common = {"shrink": params.pop("reduce_nondiag")}
    no_more(params)
    return replace(task, models=experts, method="regmean", common=common, statistics=Given(grams))


def _lines(params: Params, task: Task) -> Task:
    base = task.base or {}
    (vector,) = task.models.values()
    expert = {n: (base[n].double() + vector[n].double()) for n in base}
    common = {
        "shallow": params.pop("alpha"),
        "deeper": params.pop("beta"),
        "blocks": params.pop("num_blocks"),
        "block_number": "lowest",
        "scale": 1.0,
    }
    no_more(params)
    return replace(task, models={"expert": expert}, method="lines", common=common)


def _opcm(dialect: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        models = {name: task.files[name] for name in params.pop("order", list(task.models))}
        common = {
            "alpha": params.pop("alpha"),
            "zero_diagonal": params.pop("zero_diagonal"),
            "matrices": ", ".join(params.pop("svd_keys")),
        }
        no_more(params, ("additive_keys",))
        return replace(task, models=models, method="opcm", dialect=dialect, common=common)

    return read


def _emr(params: Params, task: Task) -> Task:
    wanted = list(task.models)[int(params.pop("reconstruct_task"))]
    no_more(params)

    def finish(outcome: Outcome, task: Task) -> Found:
        parts, base = outcome.per_task, task.base or {}
        assert parts is not None
        found = {f"out/{n}": base[n] + parts.delta(wanted, n) for n in parts.shared}
        for i, expert in enumerate(task.models):
            found |= {f"mask{i}/{n}": mask for n, mask in parts.masks[expert].items()}
        found |= {f"unified/{n}": tensor for n, tensor in parts.shared.items()}
        return found

    return replace(task, method="emr", finish=finish)


def _one(method: str, names: Mapping[str, str], **more: object) -> Reader:
    def read(params: Params, task: Task) -> Task:
        expert = params.pop("expert")
        common = {ours: params.pop(theirs) for theirs, ours in names.items()} | more
        no_more(params)
        return replace(task, models={expert: task.files[expert]}, method=method, common=common)

    return read


def _della_sparsify(params: Params, task: Task) -> Task:
    expert = params.pop("expert")
    covered = [key.split("/", 1)[1] for key in task.stored if key.startswith("keep_mask")]
    base = {n: torch.zeros_like((task.base or {})[n], dtype=torch.float64) for n in covered}
    delta = {n: task.files[expert][n].double() - (task.base or {})[n].double() for n in covered}
    common = {
        "density": params.pop("density"),
        "epsilon": params.pop("epsilon"),
        "rescale": "inverse" if params.pop("rescale").startswith("1/keep_prob") else "l1",
        "scale": 1.0,
    }
    no_more(params)
    return replace(task, models={expert: delta}, base=base, method="della_linear", common=common)


def _sparse_soup(params: Params, task: Task) -> Task:
    masks = task.part("shared_mask/")
    models = {
        name: {n: t * masks[n] if n in masks else t for n, t in state.items()}
        for name, state in task.models.items()
    }
    no_more(params, ("premask",))
    return replace(task, models=models, base=None, method="sparse_soup")


def _greedy(params: Params, task: Task) -> Task:
    target = task.part("target/")
    accept = "better" if ">" in params["accept"] and ">=" not in params["accept"] else "as_good"

    def score(tensors: Mapping[str, Tensor]) -> float:
        gaps = [
            (tensors[n].double() - t.double()).square().flatten()
            for n, t in target.items()
            if t.is_floating_point()
        ]
        return -float(torch.cat(gaps).mean())

    no_more(params, ("metric", "accept", "selected"))
    common = {"accept": accept}
    return replace(task, method="greedy_soup", base=None, common=common, scorer=score)


def _permuted(method: str) -> Reader:
    def read(params: Params, task: Task) -> Task:
        groups = params.pop("groups", _chain(next(iter(task.models.values()))))
        text = "; ".join(" ".join(axes) for axes in groups.values())
        common = {"groups": text} | ({"ratio": params.pop("ratio")} if "ratio" in params else {})
        no_more(params, ("perm_from",))
        return replace(task, method=method, common=common)

    return read


def _chain(state: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Groups of a plain chain of linear layers: each writes what the next one reads."""
    layers = sorted((n.removesuffix(".weight") for n in state if n.endswith(".weight")), key=_place)
    return {
        one: [f"{one}.weight:0", *([f"{one}.bias:0"] if f"{one}.bias" in state else []),
              f"{two}.weight:1"]
        for one, two in pairwise(layers)
    }  # fmt: skip


def _place(layer: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", layer)]


SPECIAL: Mapping[tuple[str, str], Reader] = {
    ("fusion_bench", "fisher"): _fisher,
    ("model_merging", "fisher"): _fisher,
    ("mergelm", "fisher"): _fisher_from_data,
    ("dataless-model-merging", "regmean"): _regmean,
    ("lines", "lines"): _lines,
    ("opcm", "opcm"): _opcm("paper"),
    ("fusion_bench", "opcm"): _opcm("fusion_bench"),
    ("fusion_bench", "emr"): _emr,
    ("darex", "darex_q"): _one("darex_q", {"drop_rate": "drop_rate", "q": "q"}, scale=1.0),
    ("skill-localization-by-grafting", "graft"): _one("graft", {"sparsity": "fraction"}),
    ("della", "della-sparsify"): _della_sparsify,
    ("pleas-merging", "git_rebasin"): _permuted("git_rebasin"),
    ("pleas-merging", "pleas_partial"): _permuted("pleas"),
    ("sms", "sparse_soup"): _sparse_soup,
    ("sms", "greedy_soup"): _greedy,
    ("model-soups", "greedy_soup"): _greedy,
}
