"""The golden vectors: outputs of the reference implementations, and how failures are told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging.conformance import check, check_case, main, read_case
from merging.conformance.cases import recipe_of
from merging.errors import RecipeError, SourceError

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CASES = json.loads((GOLDEN / "index.json").read_text())["cases"]
BY_ID = {case["id"]: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_equal_to_the_reference(case: Any) -> None:
    result = check_case(GOLDEN, case)
    assert result.error is None
    assert result.passed
    assert result.max_error is not None


def test_all_cases_are_there() -> None:
    assert len(CASES) == 98
    assert {c["source"].get("package") or c["source"]["repo"].split("/")[-1] for c in CASES} >= {
        "mergekit", "peft", "ties-merging", "MergeLM", "MergeLLM",
    }  # fmt: skip


def test_files_stay_small() -> None:
    assert max(p.stat().st_size for p in GOLDEN.rglob("*")) < 100_000


# --- A directory with something wrong in it -------------------------------------------------------


@pytest.fixture
def one(tmp_path: Path) -> Callable[..., Path]:
    """A copy of one case, with its entry changed."""

    def copy(case_id: str = "ties_mk", **changes: Any) -> Path:
        case = json.loads(json.dumps(BY_ID[case_id])) | changes
        (tmp_path / "cases").mkdir(exist_ok=True)
        shutil.copy(GOLDEN / BY_ID[case_id]["outputs"], tmp_path / "cases")
        shutil.copy(GOLDEN / BY_ID[case_id]["inputs"], tmp_path)
        (tmp_path / "index.json").write_text(json.dumps({"cases": [case]}))
        return tmp_path

    return copy


def told(directory: Path, capsys: Any) -> dict[str, Any]:
    """Run --json on a directory with one failing case; its entry."""
    assert main([str(directory), "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["passed"], printed["failed"]) == (0, 1)
    entry: dict[str, Any] = printed["cases"][0]
    assert entry["passed"] is False
    return entry


def test_the_unchanged_copy_passes(one: Callable[..., Path], capsys: Any) -> None:
    assert main([str(one()), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] == 1


@pytest.mark.parametrize("case", ["ties_mk", "bf16_ties", "dare_mergelm_ties", "linear_int_buffer"])
def test_one_wrong_number_fails(case: str, one: Callable[..., Path], capsys: Any) -> None:
    directory = one(case)
    path = directory / BY_ID[case]["outputs"]
    stored = load_file(path)
    name = next(n for n in stored if n.startswith("out/") and stored[n].is_floating_point())
    stored[name].flatten()[0] += 0.1
    save_file(stored, path)
    entry = told(directory, capsys)
    assert entry["max_error"] == pytest.approx(0.1, abs=2e-3)
    assert entry["error"] == f"differs by {entry['max_error']:.3g}"


def test_not_a_number_is_no_agreement(one: Callable[..., Path], capsys: Any) -> None:
    directory = one()
    path = directory / "cases" / "ties_mk.safetensors"
    stored = load_file(path)
    stored[next(n for n in stored if n.startswith("out/"))].fill_(float("nan"))
    save_file(stored, path)
    assert main([str(directory)]) == 1


def test_the_pass_rule_is_absolute_plus_relative(one: Callable[..., Path]) -> None:
    directory = one()
    path = directory / "cases" / "ties_mk.safetensors"
    stored = load_file(path)
    name = next(n for n in stored if n.startswith("out/"))
    want = stored[name].double()
    stored[name] = want + 0.9 * (1e-3 + 1e-2 * want.abs())
    save_file(stored, path)
    for atol, rtol, passed in ((1e-3, 1e-2, True), (1e-3, 0, False), (0, 1e-2, False)):
        case = BY_ID["ties_mk"] | {"tolerance": {"atol": atol, "rtol": rtol}}
        assert check_case(directory, case).passed is passed


def test_the_relative_part_is_of_the_wanted_number(one: Callable[..., Path]) -> None:
    """9 is within 95 % of a wanted 10 times as much, though not of what was found."""
    directory = one()
    path = directory / "cases" / "ties_mk.safetensors"
    save_file({n: t * 10 for n, t in load_file(path).items()}, path)
    for rtol, passed in ((0.95, True), (0.85, False)):
        case = BY_ID["ties_mk"] | {"tolerance": {"atol": 1e-6, "rtol": rtol}}
        assert check_case(directory, case).passed is passed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "regmean"}, "regmean as in mergekit is not supported"),
        ({"source": {"repo": "someone/else"}}, "ties as in else is not supported"),
        ({"inputs": None}, "the case names no models"),
        ({"outputs": "cases/none.safetensors"}, "none.safetensors"),
        ({"inputs": "none.safetensors"}, "none.safetensors"),
        ({"models": ["expert9"], "params": {}}, "expert9"),
        ({"params": {"weights": [1.0], "densities": [0.5, 0.3, 0.8]}}, "shorter"),
        ({"params": {"densities": [0.5]}}, "index out of range"),
        ({"params": {"densities": 0.5}}, "not iterable"),
        ({"params": {"lam": 99.0}}, "scale is 99.0"),
    ],
)
def test_a_case_that_cannot_be_run_fails_with_its_reason(
    changes: dict[str, Any], reason: str, one: Callable[..., Path], capsys: Any
) -> None:
    entry = told(one(**changes), capsys)
    assert reason in entry["error"]
    assert entry["max_error"] is None


ONE_OF_EACH = [
    *("linear_weighted_norm", "uniform_soup", "ties_mk", "ties_orig_A20_mean"),
    *("ties_mergelm_global_A", "peft_ties_total", "dare_mergelm_ta", "dare_ties_mk"),
    *("task_arithmetic_mergelm", "task_negation_mk"),
]


@pytest.mark.parametrize("case", ONE_OF_EACH)
def test_an_unknown_option_is_not_passed_over(
    case: str, one: Callable[..., Path], capsys: Any
) -> None:
    params = BY_ID[case]["params"] | {"temperature": 0.5}
    entry = told(one(case, params=params), capsys)
    assert "Options temperature are not supported" in entry["error"]


def test_a_broken_weight_file_fails(one: Callable[..., Path], capsys: Any) -> None:
    directory = one()
    (directory / "inputs_A.safetensors").write_bytes(b"garbage")
    assert "SafetensorError" in told(directory, capsys)["error"]


def test_masks_of_another_shape_fail(one: Callable[..., Path], capsys: Any) -> None:
    directory = one("dare_linear_mk")
    path = directory / "cases" / "dare_linear_mk.safetensors"
    stored = load_file(path)
    stored |= {n: t.flatten()[:1] for n, t in stored.items() if n.startswith("keep_mask0")}
    save_file(stored, path)
    assert told(directory, capsys)["error"]


def test_outputs_of_another_shape_fail(one: Callable[..., Path], capsys: Any) -> None:
    directory = one()
    path = directory / "cases" / "ties_mk.safetensors"
    stored = load_file(path)
    name = next(n for n in stored if n.startswith("out/"))
    save_file(stored | {name: torch.zeros(1)}, path)
    assert f"{name} has shape" in told(directory, capsys)["error"]


def test_a_case_without_outputs_proves_nothing(one: Callable[..., Path], capsys: Any) -> None:
    directory = one()
    save_file({"extra/x": torch.zeros(1)}, directory / "cases" / "ties_mk.safetensors")
    assert "stores no out/ tensor" in told(directory, capsys)["error"]


# --- The command ----------------------------------------------------------------------------------


def test_json_has_exactly_this_shape(capsys: Any) -> None:
    assert main([str(GOLDEN), "--json", "--only", "peft_*"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["passed", "failed", "cases"]
    assert (printed["passed"], printed["failed"]) == (5, 0)
    for entry in printed["cases"]:
        assert list(entry) == ["id", "passed", "max_error", "atol", "rtol", "error"]
        assert entry["passed"] is True
        assert entry["error"] is None
        assert 0 <= entry["max_error"] <= 1e-5
        assert (entry["atol"], entry["rtol"]) == (1e-6, 1e-5)
    assert [e["id"] for e in printed["cases"][:2]] == ["peft_ties_total", "peft_ties_frequency"]


def test_only_takes_a_pattern() -> None:
    assert [r.id for r in check(GOLDEN, "dare_linear_mk*")] == [
        "dare_linear_mk", "dare_linear_mk_norescale",
    ]  # fmt: skip
    assert [r.id for r in check(GOLDEN, "uniform_soup")] == ["uniform_soup"]


def test_lines_for_people(one: Callable[..., Path], capsys: Any) -> None:
    assert main([str(GOLDEN), "--only", "uniform_soup"]) == 0
    assert "uniform_soup" in (printed := capsys.readouterr().out)
    assert printed.endswith("1 passed, 0 failed\n")
    assert main([str(one(method="regmean"))]) == 1
    assert "FAIL regmean as in mergekit is not supported." in capsys.readouterr().out


def test_nothing_compared_is_no_success(capsys: Any) -> None:
    assert main([str(GOLDEN), "--only", "nonsense"]) == 1
    assert "0 passed, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("index", [None, "{", "[]", "{}", "3"])
def test_a_directory_without_an_index(index: str | None, tmp_path: Path, capsys: Any) -> None:
    if index is not None:
        (tmp_path / "index.json").write_text(index)
    with pytest.raises(SourceError, match="Cannot read"):
        check(tmp_path)
    assert main([str(tmp_path), "--json"]) == 1
    assert "index.json" in capsys.readouterr().err


# --- Reading of options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "setting", "value"),
    [
        ("ties_mk", "combine", "weighted_mean"),
        ("ties_mk_nonorm_lambda", "combine", "sum"),
        ("ties_mk_nonorm_lambda", "scale", 0.6),
        ("ties_mk_count_sign", "election", "count"),
        ("ties_orig_A20_mean", "density", 0.2),
        ("ties_orig_A_frac_sum", "density", 0.35),
        ("ties_orig_A_max", "combine", "max"),
        ("ties_mergelm_global_A", "trim_rule", "dropped"),
        ("ties_mergelm_global_A", "trim_scope", "global"),
        ("ties_mergellm_pertensor", "trim_scope", "tensor"),
        ("dare_mergelm_avg", "normalize", True),
        ("dare_mergelm_ta_norescale", "rescale", "none"),
        ("dare_linear_mk", "rescale", "l1"),
        ("peft_ties_frequency", "election", "count"),
    ],
)
def test_options_become_settings(case: str, setting: str, value: Any) -> None:
    names = BY_ID[case]["models"] or ["expert0", "expert1", "expert2"]
    task = read_case(BY_ID[case], {name: {} for name in names}, {})
    assert recipe_of(task).settings().common[setting] == value


def test_lists_become_values_of_the_experts() -> None:
    models: dict[str, dict[str, torch.Tensor]] = {f"expert{i}": {} for i in range(3)}
    settings = recipe_of(read_case(BY_ID["dare_ties_mk"], models, {})).settings()
    assert settings.each["drop_rate"] == pytest.approx((0.5, 0.7, 0.2))
    assert settings.each["weight"] == (1.0, 0.7, 0.5)


def test_a_word_that_is_none_of_the_reference() -> None:
    case = BY_ID["peft_ties_total"] | {"method": "slerp"}
    with pytest.raises(RecipeError, match="slerp as in peft is not supported"):
        read_case(case, {}, {})
