"""Run cases and say how they went."""

import argparse
import fnmatch
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.conformance.direct import direct
from merging.conformance.readers import read_case
from merging.conformance.task import Found, State, Task
from merging.engine import make_plan, run
from merging.errors import MergeError, SourceError
from merging.methods.masks import GivenMasks
from merging.recipe import Expert, Recipe

Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """How one case went; ``max_error`` is None when there is nothing to compare."""

    id: str
    passed: bool
    max_error: float | None
    atol: float
    rtol: float
    error: str | None = None


def check(directory: Path, only: str = "*") -> list[Result]:
    """Run all cases of a directory whose id matches a pattern.

    Raises:
        SourceError: The directory has no readable index.
    """
    try:
        cases = json.loads((directory / "index.json").read_text("utf-8"))["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"Cannot read {directory / 'index.json'}: {error}") from error
    chosen = [case for case in cases if fnmatch.fnmatch(case["id"], only)]
    return [check_case(directory, _with_groups(case, cases)) for case in chosen]


def _with_groups(case: Case, cases: Sequence[Case]) -> Case:
    """Fill in the groups of the case whose permutation this one uses."""
    params = case["params"]
    for other in cases:
        if other["id"] == params.get("perm_from") and "groups" in other["params"]:
            return {**case, "params": {"groups": other["params"]["groups"], **params}}
    return case


def check_case(directory: Path, case: Case) -> Result:
    """Run one case; whatever it raises becomes a failure with its reason."""
    atol, rtol = float(case["tolerance"]["atol"]), float(case["tolerance"]["rtol"])
    try:
        stored = load_file(directory / case["outputs"])
        got = direct(case, stored) or _merge(directory, case, stored)
        worst, fits = _compare(got, stored, atol, rtol)
    except Exception as error:
        reason = str(error) if isinstance(error, MergeError) else f"{error!r}"
        return Result(case["id"], False, None, atol, rtol, reason)
    reason_or_none = None if fits else f"differs by {worst:.3g}"
    return Result(case["id"], fits, worst, atol, rtol, reason_or_none)


def _merge(directory: Path, case: Case, stored: Mapping[str, Tensor]) -> Found:
    task = read_case(case, _models(directory, case["inputs"]), stored)
    return run_task(task)


def run_task(task: Task) -> Found:
    """Merge as a task says; return what is compared."""
    models = {n: MemoryCheckpoint(n, state) for n, state in task.models.items()}
    base = MemoryCheckpoint("base", task.base) if task.base is not None else None
    outcome = run(
        make_plan(recipe_of(task), base, models),
        masks=_masks(list(task.models), task.stored),
        device="cpu",
        statistics=task.statistics,
        scorer=task.scorer,
    )
    return task.finish(outcome, task)


def recipe_of(task: Task) -> Recipe:
    """Return the recipe of a task.

    Raises:
        RecipeError: An option is unknown or out of range.
    """
    names = list(task.models)
    weights = task.weights or (1.0,) * len(names)
    experts = tuple(
        Expert(name, float(weight), tuple((p, float(v[i])) for p, v in task.each.items()))
        for i, (name, weight) in enumerate(zip(names, weights, strict=True))
    )
    return Recipe(task.method, experts, params=tuple(task.common.items()), dialect=task.dialect)


def _models(directory: Path, inputs: str | list[str]) -> dict[str, State]:
    models: dict[str, State] = {}
    for file in [inputs] if isinstance(inputs, str) else inputs:
        for key, tensor in load_file(directory / file).items():
            model, name = key.split("/", 1)
            models.setdefault(model, {})[name] = tensor
    return models


def _masks(names: Sequence[str], stored: Mapping[str, Tensor]) -> GivenMasks | None:
    found = {key: match for key in stored if (match := re.fullmatch(r"keep_mask(\d+)/(.+)", key))}
    numbers = sorted({int(match[1]) for match in found.values()})
    alone = len(numbers) == len(names) == 1  # whatever its number
    masks = {
        (match[2], names[0] if alone else names[int(match[1])]): stored[key]
        for key, match in found.items()
    }
    return GivenMasks(masks) if masks else None


def _compare(
    got: Found, want: Mapping[str, Tensor], atol: float, rtol: float
) -> tuple[float, bool]:
    worst, fits = 0.0, True
    missing = [key for key in want if key.startswith("out/") and key not in got]
    if missing:
        raise ValueError(f"nothing to compare with {missing[0]}")
    if not got.keys() & want.keys():
        raise ValueError("the case stores no out/ tensor")
    for key in got.keys() & want.keys():
        a, b = got[key].to(torch.float64), want[key].to(torch.float64)
        if a.shape != b.shape:
            raise ValueError(f"{key} has shape {tuple(a.shape)}, wanted {tuple(b.shape)}")
        error = (a - b).abs()
        fits &= bool((error <= atol + rtol * b.abs()).all())
        worst = max(worst, float(error.max()) if error.numel() else 0.0)
    return worst, fits


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 when every case passed, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m merging.conformance",
        description="Compare every method with outputs of the reference implementations.",
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", default="*", help="pattern of case ids")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        results = check(options.directory, options.only)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    if not results:
        print(f"No case matches {options.only!r}.", file=sys.stderr)
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
