"""Compare every method with outputs of the reference implementations.

Reads a directory in the format of the golden vectors (``index.json``, inputs and outputs as
safetensors), runs each case through the public registry and prints a line a case. ``source``
selects the variant, ``method`` and ``params`` its options.

    python -m merging.conformance DIR [--only GLOB] [--json]
"""

import argparse
import fnmatch
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import MergeError, RecipeError, SourceError
from merging.methods.masks import GivenMasks
from merging.methods.params import Value
from merging.recipe import Expert, Recipe

Case = Mapping[str, Any]
Params = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Result:
    """How one case went; ``max_error`` is None when there is nothing to compare."""

    id: str
    passed: bool
    max_error: float | None
    atol: float
    rtol: float
    error: str | None = None


def translate(case: Case, experts: Sequence[str]) -> Recipe:
    """Read a case as a recipe.

    Args:
        case: An entry of ``index.json``.
        experts: Ids of the non-base models, in weight order.

    Raises:
        RecipeError: The method or one of its options is not supported.
    """
    params = {k: v for k, v in case["params"].items() if v is not None}
    reader = _READERS.get((_origin(case["source"]), case["method"]))
    if reader is None:
        raise RecipeError(f"{case['method']} as in {_origin(case['source'])} is not supported.")
    weights = params.pop("weights", "uniform")
    if weights == "uniform":
        weights = [1.0] * len(experts)
    method, dialect, common, each = reader(params)
    chosen = tuple(
        Expert(name, float(weight), tuple((p, float(v[i])) for p, v in each.items()))
        for i, (name, weight) in enumerate(zip(experts, weights, strict=True))
    )
    return Recipe(method, chosen, params=tuple(common.items()), dialect=dialect)


def check(directory: Path, only: str = "*") -> list[Result]:
    """Run all cases of a directory whose id matches a pattern.

    Raises:
        SourceError: The directory has no readable index.
    """
    try:
        cases = json.loads((directory / "index.json").read_text("utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"Cannot read {directory / 'index.json'}: {error}") from error
    return [check_case(directory, case) for case in cases if fnmatch.fnmatch(case["id"], only)]


def check_case(directory: Path, case: Case) -> Result:
    """Run one case; whatever it raises becomes a failure with its reason."""
    atol, rtol = float(case["tolerance"]["atol"]), float(case["tolerance"]["rtol"])
    try:
        want = load_file(directory / case["outputs"])
        got = _produce(directory, case, want)
        worst, fits = _compare(got, want, atol, rtol)
    except Exception as error:
        reason = str(error) if isinstance(error, MergeError) else f"{error!r}"
        return Result(case["id"], False, None, atol, rtol, reason)
    reason_or_none = None if fits else f"differs by {worst:.3g}"
    return Result(case["id"], fits, worst, atol, rtol, reason_or_none)


def _produce(directory: Path, case: Case, stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if case["inputs"] is None:
        raise RecipeError(f"{case['method']} is not supported: the case names no models.")
    models = _models(directory, case["inputs"])
    base = models.pop("base", None)
    names = list(case["models"] or models)
    recipe = translate(case, names)
    checkpoints = {n: MemoryCheckpoint(n, models[n]) for n in names}
    plan = make_plan(recipe, MemoryCheckpoint("base", base) if base else None, checkpoints)
    outcome = run(plan, masks=_masks(names, stored), device="cpu")
    return {f"out/{name}": tensor for name, tensor in outcome.tensors.items()}


def _models(directory: Path, inputs: str | list[str]) -> dict[str, dict[str, Tensor]]:
    models: dict[str, dict[str, Tensor]] = {}
    for file in [inputs] if isinstance(inputs, str) else inputs:
        for key, tensor in load_file(directory / file).items():
            model, name = key.split("/", 1)
            models.setdefault(model, {})[name] = tensor
    return models


def _masks(names: Sequence[str], stored: Mapping[str, Tensor]) -> GivenMasks | None:
    masks = {
        (key.split("/", 1)[1], name): tensor
        for i, name in enumerate(names)
        for key, tensor in stored.items()
        if key.startswith(f"keep_mask{i}/")
    }
    return GivenMasks(masks) if masks else None


def _compare(
    got: Mapping[str, Tensor], want: Mapping[str, Tensor], atol: float, rtol: float
) -> tuple[float, bool]:
    worst, fits = 0.0, True
    compared = [key for key in want if key.startswith("out/")]
    if not compared:
        raise ValueError("the case stores no out/ tensor")
    for key in compared:
        a, b = got[key].to(torch.float64), want[key].to(torch.float64)
        if a.shape != b.shape:
            raise ValueError(f"{key} has shape {tuple(a.shape)}, wanted {tuple(b.shape)}")
        error = (a - b).abs()
        fits &= bool((error <= atol + rtol * b.abs()).all())
        worst = max(worst, float(error.max()) if error.numel() else 0.0)
    return worst, fits


def _origin(source: Mapping[str, str]) -> str:
    return (source.get("package") or source.get("repo") or "").split("/")[-1].lower()


Reading = tuple[str, str, Params, dict[str, list[float]]]


def _mergekit(method: str) -> Callable[[Params], Reading]:
    def read(params: Params) -> Reading:
        common: Params = {}
        each: dict[str, list[float]] = {}
        normalize = params.pop("normalize", None)
        if normalize is not None and method in ("linear", "task_arithmetic", "dare"):
            common["normalize"] = normalize
        elif normalize is not None:
            common["combine"] = "weighted_mean" if normalize else "sum"
        if "lam" in params:
            common["scale"] = params.pop("lam")
        if "rescale" in params:
            common["rescale"] = params.pop("rescale")
        vote = str(params.pop("sign", "weighted-sum")).split(",")[0]
        common |= {"weighted-sum": {}, "sum": {}, "count": {"election": "count"}}[vote]
        densities: Any = params.pop("densities", None)
        if densities is not None and method.startswith("dare"):
            each["drop_rate"] = [1 - d for d in densities]
        elif densities is not None:
            each["density"] = densities
        if params.get("trim_scope") == "per-tensor":
            params.pop("trim_scope")
        return method, "mergekit", _with_rest(common, params), each

    return read


def _peft_ties(params: Params) -> Reading:
    common: Params = {"density": params.pop("density")}
    common["election"] = {"total": "sum", "frequency": "count"}[str(params.pop("sign", "total"))]
    for described in ("trim_scope", "agg"):
        params.pop(described, None)
    return "ties", "peft", _with_rest(common, params), {}


def _authors_ties(params: Params) -> Reading:
    share = float(params.pop("topk"))
    common: Params = {
        "density": share / 100 if share > 1 else share,
        "combine": str(params.pop("agg", "dis-mean")).removeprefix("dis-"),
        "election": {"mass": "sum", "count": "count"}[str(params.pop("sign", "mass"))],
        "scale": params.pop("lam", 1.0),
    }
    for described in ("trim_scope", "topk_unit"):
        params.pop(described, None)
    return "ties", "paper", _with_rest(common, params), {}


def _by_mask_rate(scope: str) -> Callable[[Params], Reading]:
    def read(params: Params) -> Reading:
        rate = float(params.pop("mask_rate"))
        common: Params = {
            "density": 1 - rate,
            "trim_rule": "dropped",
            "trim_scope": scope,
            "combine": str(params.pop("agg", "disjoint-mean")).removeprefix("disjoint-"),
            "scale": params.pop("scaling", 1.0),
        }
        for described in ("trim_scope", "keep_rule"):
            params.pop(described, None)
        return "ties", "paper", _with_rest(common, params), {}

    return read


def _mergelm_linear(params: Params) -> Reading:
    return "linear", "paper", _with_rest({}, params), {}


def _mergelm_sum(params: Params) -> Reading:
    common: Params = {"scale": params.pop("scaling")}
    return "task_arithmetic", "paper", _with_rest(common, params), {}


def _mergelm_dare(params: Params) -> Reading:
    then = str(params.pop("then"))
    common: Params = {
        "drop_rate": params.pop("drop_rate"),
        "rescale": {"1/(1-p)": "inverse", "none": "none"}[str(params.pop("rescale"))],
        "scale": params.pop("scaling_coefficient", 1.0),
    }
    if then == "average_merging":
        common["normalize"] = True
    if then == "ties_merging":
        common["density"] = 1 - float(params.pop("param_value_mask_rate"))
        common["trim_rule"] = "dropped"
        return "dare_ties", "paper", _with_rest(common, params), {}
    return "dare", "paper", _with_rest(common, params), {}


def _with_rest(common: Params, rest: Params) -> Params:
    """Refuse options that no reader knows: passing them over would compare something else."""
    if rest:
        raise RecipeError(f"Options {', '.join(sorted(rest))} are not supported.")
    return common


_READERS: Mapping[tuple[str, str], Callable[[Params], Reading]] = {
    ("mergekit", "linear"): _mergekit("linear"),
    ("mergekit", "task_arithmetic"): _mergekit("task_arithmetic"),
    ("mergekit", "ties"): _mergekit("ties"),
    ("mergekit", "dare_linear"): _mergekit("dare"),
    ("mergekit", "dare_ties"): _mergekit("dare_ties"),
    ("peft", "ties"): _peft_ties,
    ("ties-merging", "ties"): _authors_ties,
    ("mergelm", "ties"): _by_mask_rate("global"),
    ("mergellm", "ties"): _by_mask_rate("tensor"),
    ("mergelm", "linear"): _mergelm_linear,
    ("mergelm", "task_arithmetic"): _mergelm_sum,
    ("mergelm", "dare+average_merging"): _mergelm_dare,
    ("mergelm", "dare+task_arithmetic"): _mergelm_dare,
    ("mergelm", "dare+ties_merging"): _mergelm_dare,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when every case passed, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m merging.conformance", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="*", help="pattern of case ids")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        results = check(options.directory, options.only)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    passed = sum(r.passed for r in results)
    if options.json:
        cases = [asdict(r) for r in results]
        print(json.dumps({"passed": passed, "failed": len(results) - passed, "cases": cases}))
    else:
        for r in results:
            worst = "-" if r.max_error is None else f"{r.max_error:.2e}"
            verdict = "pass" if r.passed else f"FAIL {r.error}"
            print(f"{r.id:40} {worst:>9}  atol {r.atol:g} rtol {r.rtol:g}  {verdict}")
        print(f"{passed} passed, {len(results) - passed} failed")
    return 0 if results and passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
