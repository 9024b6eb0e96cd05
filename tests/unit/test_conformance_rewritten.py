"""The same golden case written otherwise: names, numbers and what is named may differ."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging.conformance import check, check_case, read_case
from merging.conformance.cases import _models, run_task
from merging.evaluation.fisher import batch_fisher

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BY_ID = {c["id"]: c for c in json.loads((GOLDEN / "index.json").read_text())["cases"]}
Tensors = dict[str, torch.Tensor]


def rewritten(
    folder: Path,
    case_id: str,
    key: Callable[[str], str] = lambda key: key,
    drop: Callable[[str], bool] = lambda key: False,
    **params: Any,
) -> dict[str, Any]:
    """Write a case with keys of its files renamed or left out, and return its entry."""
    case: dict[str, Any] = json.loads(json.dumps(BY_ID[case_id]))
    (folder / "cases").mkdir(exist_ok=True)
    inputs = [case["inputs"]] if isinstance(case["inputs"], str) else case["inputs"]
    for file in [*inputs, case["outputs"]]:
        stored = load_file(GOLDEN / file)
        save_file({key(k): t for k, t in stored.items() if not drop(k)}, folder / file)
    case["params"] |= params
    return case


def swapped(case: dict[str, Any], order: tuple[int, ...]) -> dict[str, Any]:
    """Name the experts in another order, with their coefficients."""
    models = [f"expert{i}" for i in order]
    coefficients = [case["params"]["coefficients"][i] for i in order]
    return case | {"models": models, "params": case["params"] | {"coefficients": coefficients}}


def test_statistics_stay_with_their_expert(tmp_path: Path) -> None:
    case = rewritten(tmp_path, "fisher_fb_unnormalized_coef")
    assert check_case(tmp_path, swapped(case, (2, 0, 1))).error is None


def test_grams_of_experts_named_in_another_order(tmp_path: Path) -> None:
    case = rewritten(tmp_path, "regmean_bloomberg") | {"models": ["expert1", "expert2", "expert0"]}
    assert check_case(tmp_path, case).error is None


def test_a_subset_of_the_experts_is_another_merge(tmp_path: Path) -> None:
    case = swapped(rewritten(tmp_path, "fisher_fb_unnormalized_coef"), (2, 0))
    assert "differs by" in str(check_case(tmp_path, case).error)


@pytest.mark.parametrize("case_id", ["ties_mk", "dare_linear_mk", "pcb_per_task_lams"])
def test_experts_are_ordered_by_their_numbers(case_id: str, tmp_path: Path) -> None:
    """As text expert10 stands before expert8: weights and masks would go to the wrong ones."""

    def later(key: str) -> str:
        for i in range(3):
            key = key.replace(f"expert{i}/", f"expert{8 + i}/")
        return key

    assert check_case(tmp_path, rewritten(tmp_path, case_id, later)).error is None


def test_a_lone_mask_may_have_any_number(tmp_path: Path) -> None:
    case = rewritten(tmp_path, "darexq_global", lambda key: key.replace("mask0", "mask2"))
    assert check_case(tmp_path, case).error is None


def test_density_one_needs_no_mask(tmp_path: Path) -> None:
    """Without its mask the first expert is kept whole; with one it is not."""
    results = []
    for drop in (True, False):
        folder = tmp_path / str(drop)
        folder.mkdir()
        case = rewritten(
            folder, "dare_linear_mk", drop=lambda key, drop=drop: drop and "mask0" in key,
            densities=[1.0, 0.3, 0.8], weights=[1.0, 0.0, 0.0], rescale="none",
        )  # fmt: skip
        task = read_case(case, _models(folder, case["inputs"]), load_file(folder / case["outputs"]))
        assert task.base is not None
        merged = run_task(task)
        whole = {f"out/{n}": t for n, t in task.models["expert0"].items()}
        results.append(all(torch.allclose(merged[n], whole[n], atol=1e-6) for n in whole))
    assert results == [True, False]


def test_a_mask_that_is_needed_and_missing_fails(tmp_path: Path) -> None:
    case = rewritten(tmp_path, "dare_linear_mk", drop=lambda key: "mask0" in key)
    assert "KeyError" in str(check_case(tmp_path, case).error)


def test_fisher_counts_whole_batches(tmp_path: Path) -> None:
    """The reference takes batches of 3 until it has at least 10 examples: all 12."""
    case = rewritten(tmp_path, "fisher_mergelm_end2end_toy", n_examples=10)
    assert check_case(tmp_path, case).error is None
    case = rewritten(tmp_path, "fisher_mergelm_end2end_toy", n_examples=9)
    assert "differs by" in str(check_case(tmp_path, case).error)


def test_a_last_batch_that_is_not_full_counts_whole() -> None:
    """With weights of zero and biases ln 3 and 0 the shares are 3/4 and 1/4, their roots √3/2, 1/2.

    The first slope is d = √3/2 - 3/4 (√3/2 + 1/2), the second -d. Batches of two items and of one
    add (2 d)² + d², divided by two batches of two.
    """
    bias = torch.tensor([3.0, 1.0]).log()
    d = 3**0.5 / 2 - 0.75 * (3**0.5 + 1) / 2
    found = batch_fisher(torch.zeros(2, 1), bias, torch.ones(3, 1), 2)
    assert found["bias"].tolist() == pytest.approx([5 * d * d / 4] * 2, rel=1e-5)
    assert found["weight"].flatten().tolist() == pytest.approx([5 * d * d / 4] * 2, rel=1e-5)


def test_block_numbers_are_read_as_the_authors_of_lines_do(tmp_path: Path) -> None:
    """They look for the lowest number below the count of blocks, wherever it stands."""
    case = rewritten(tmp_path, "lines", lambda key: key.replace("visual", "tower.7.visual"))
    assert check_case(tmp_path, case).error is None


def test_groups_come_from_the_case_whose_permutation_is_used(tmp_path: Path) -> None:
    """Layers whose names hold no number have no order of their own."""
    names = {"0": "up", "2": "middle", "4": "down"}

    def renamed(key: str) -> str:
        where, _, rest = key.rpartition("/")
        layer, _, end = rest.partition(".")
        return f"{where}/{names[layer]}.{end}"

    entries = []
    for case_id in ("rebasin_weight_matching", "pleas_partial_merge"):
        case = rewritten(tmp_path, case_id, renamed)
        groups = case["params"].get("groups", {})
        if groups:
            case["params"]["groups"] = {
                renamed(f"/{group}")[1:]: [renamed(f"/{axis}")[1:] for axis in axes]
                for group, axes in groups.items()
            }
        entries.append(case)
    (tmp_path / "index.json").write_text(json.dumps({"cases": entries}))
    assert [r.error for r in check(tmp_path)] == [None, None]
    assert [r.error for r in check(tmp_path, "pleas*")] == [None]


def test_options_may_name_the_base_or_any_model() -> None:
    models: dict[str, Tensors] = {n: {"w": torch.zeros(2)} for n in ("base", "a", "b")}
    case = BY_ID["slerp_mk"] | {"params": {"t": 0.3, "v0": "base", "v1": "b"}}
    assert list(read_case(case, models, {}).models) == ["base", "b"]
    near = {"models": ["a"], "params": {"t": 0.1, "base": "b", "other": "a"}}
    task = read_case(BY_ID["nearswap_mk"] | near, models, {})
    assert task.base is models["b"]
    with pytest.raises(KeyError, match="nobody"):
        near["params"] = {"t": 0.1, "base": "nobody", "other": "a"}
        read_case(BY_ID["nearswap_mk"] | near, models, {})
